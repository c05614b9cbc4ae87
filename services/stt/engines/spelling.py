"""The tokenizer of a Whisper model, whole."""

from __future__ import annotations

import json
from typing import Final

from tokenizers import Tokenizer

_FIRST: Final = ["Ġ", "t"]
"""A space and a t: the most frequent pair, and so the first merge of Whisper's tokenizers."""


def mended(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that knows its first merge.

    Some conversions of multilingual models have lost it, as if the first line of the list had been
    its heading. The decoder's own texts are not touched by that, but words beginning with t that
    it is told, in a vocabulary or as what was said before, fall into pieces it never writes itself.
    """
    told = json.loads(tokenizer.to_str())
    merges = told["model"]["merges"]
    if (
        "".join(_FIRST) not in told["model"]["vocab"]
        or _FIRST in merges
        or " ".join(_FIRST) in merges
    ):
        return tokenizer
    merges.insert(0, _FIRST if isinstance(merges[0], list) else " ".join(_FIRST))
    return Tokenizer.from_str(json.dumps(told))
