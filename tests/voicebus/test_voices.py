from __future__ import annotations

import pytest

from voicebus.errors import ConfigError
from voicebus.voices import PRESETS, Offer, Preset, offers


@pytest.mark.parametrize(
    ("written", "offer"),
    [
        ("en_US-joe-medium", Offer("en_US-joe-medium", "en_US-joe-medium")),
        ("joe=en_US-joe-medium", Offer("joe", "en_US-joe-medium")),
        ("libri#p3922", Offer("libri.p3922", "libri", "p3922")),
        ("joe @ calm", Offer("joe.calm", "joe", "", PRESETS["calm"])),
        ("a = joe # 2 @ 1.5:0.25", Offer("a", "joe", "2", Preset(1.5, 0.25))),
    ],
)
def test_a_voice_has_a_model_a_speaker_and_a_manner(written: str, offer: Offer) -> None:
    """What is not said is the model's own; without a name it is called by what it is."""
    assert offers(written) == (offer,)


def test_the_first_voice_is_the_default() -> None:
    """Voices keep their order, with or without spaces."""
    assert [offer.name for offer in offers("joe, b=amy@calm,,c=amy#1,")] == ["joe", "b", "c"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "at least one voice"),
        ("joe, joe", "two voices have the name joe"),
        ("joe@shouting", "no preset: 'shouting'; there are calm"),
        ("joe@9:1", "speed is from 0.5 to 2, not 9"),
        ("joe@1:9", "temperature is from 0 to 2"),
        ("joe@1.1.1:1", "not a speed and a temperature"),
        ("../joe", "not a voice: '../joe'"),
        ("a=b=c", "not a voice"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(written: str, words: str) -> None:
    """The mistake is named at the start, not when the first caller waits."""
    with pytest.raises(ConfigError, match=words):
        offers(written)
