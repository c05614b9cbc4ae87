"""What it takes to run voicebus: none of it is imported by the system."""
