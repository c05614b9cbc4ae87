"""Language model engines: one module per library, which nothing else imports."""
