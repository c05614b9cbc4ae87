"""Speech to text: a session's audio in, its transcripts out."""
