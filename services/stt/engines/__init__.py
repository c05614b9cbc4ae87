"""Speech to text engines: one module per library, which nothing else imports."""
