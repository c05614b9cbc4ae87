"""Text to speech engines: one module per library, which nothing else imports."""
