"""What of a text can be spoken, and how: pure functions."""

from services.tts.text.speakable import speakable

__all__ = ["speakable"]
