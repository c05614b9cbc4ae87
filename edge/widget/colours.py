"""The colours that a site chooses, as a style sheet of its widgets."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

# A pattern's $ is also true before a line feed at the end of the text.
Colour = Annotated[str, Meta(pattern=r"^(#[0-9a-fA-F]{6})?$(?!\n)")]


class Colours(Struct, frozen=True, kw_only=True):
    """Colours of the widget; empty for its own.

    Fields
        accent: Of what can be pressed, as ``#rrggbb``. The colour on top of it follows from it.
        accent_dark: The same in the dark; empty for ``accent``.
    """

    accent: Colour = ""
    accent_dark: Colour = ""


def sheet(colours: Colours) -> str:
    """Return the rules that lay these colours over the widget's own."""
    rules = ""
    if colours.accent:
        rules += f":host{{{_rule(colours.accent)}}}"
    if dark := colours.accent_dark or colours.accent:
        rules += (
            "@media (prefers-color-scheme:dark)"
            f"{{:host(:not([theme=light])){{{_rule(dark)}}}}}:host([theme=dark]){{{_rule(dark)}}}"
        )
    return rules


def _rule(colour: str) -> str:
    return f"--accent:{colour};--on-accent:{ink_on(colour)}"


def ink_on(colour: str) -> str:
    """Return black or white, whichever is read better on a colour: their contrast is >= 4.5.

    Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    """
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return "#000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#fff"


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
