"""Words that a model is told are spelt in its own tokens."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from services.stt.engines.spelling import mended
from tests.models import model_path

pytestmark = pytest.mark.model


@pytest.mark.parametrize("model", ["whisper-base", "whisper-tiny.en"])
def test_words_that_begin_with_t_are_whole(model: str) -> None:
    """One token each, as the decoder writes them; and other words are as they were."""
    given = Tokenizer.from_file(str(model_path(model) / "tokenizer.json"))

    whole = mended(given)

    for word in (" then", " there", " to", " the"):
        assert whole.encode(word, add_special_tokens=False).tokens == [f"Ġ{word.strip()}"]
    for text in (" leisure", " He might even have", " Привет"):
        assert whole.encode(text).ids == given.encode(text).ids
    assert mended(whole) is whole
