"""English: numbers and what belongs to them, abbreviations and signs, in words."""

from __future__ import annotations

from typing import Final

from services.tts.text import english_forms as forms
from services.tts.text.numbers import one_by_one
from services.tts.text.rules import ALONE, OVER, Rule, any_of, full_stop, rule, stop_of

_NUMBER: Final = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?"
_MONTH: Final = (
    r"(Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?\.?|July?\.?"
    r"|Aug(?:ust|\.)?|Sept?(?:ember|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_ABBREVIATIONS: Final = {
    "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus",
    "approx.": "approximately", "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz",
    "Prof.": "Professor", "Jr.": "Junior", "Sr.": "Senior", "Inc.": "Incorporated",
    "Ltd.": "Limited", "Corp.": "Corporation", "Dept.": "Department", "dept.": "department",
    "est.": "established", "ca.": "circa", "cf.": "compare", "al.": "al", "Gen.": "General",
    "Capt.": "Captain", "Lt.": "Lieutenant", "Sgt.": "Sergeant", "Sen.": "Senator",
    "Gov.": "Governor", "Rev.": "Reverend", "Ave.": "Avenue", "Blvd.": "Boulevard",
    "Rd.": "Road", "Mt.": "Mount", "Vol.": "Volume", "vol.": "volume", "w/o": "without",
    "w/": "with", "Mon.": "Monday", "Tue.": "Tuesday", "Wed.": "Wednesday", "Thu.": "Thursday",
    "Fri.": "Friday",
}  # fmt: skip
_LAST_WORDS: Final = frozenset(
    {"etc.", "Inc.", "Ltd.", "Corp.", "Jr.", "Sr.", "al.", "Ave.", "Blvd.", "Rd."}
)
"""Abbreviations that a sentence may end with, though a capital follows."""

_WORDS: Final[tuple[Rule, ...]] = (
    rule(r"^\s*([0-9]{1,3})[.)]\s+(?=\S)", lambda m: f"{forms.cardinal(m.group(1))}, "),
    rule(
        rf"(?<![\w.])(?:{any_of(_ABBREVIATIONS)})",
        lambda m: _ABBREVIATIONS[m.group()] + stop_of(m, _LAST_WORDS),
    ),
    rule(r"\bDr\. ?(?=[A-Z])", "Doctor "),
    rule(r"\bSt\. ?(?=[A-Z][a-z])", "Saint "),
    rule(r"(?<=[a-z] )(?:St)\.", lambda m: f"Street{full_stop(m)}"),
    rule(r"\b([Ff])ig\. ?(?=[0-9])", r"\1igure "),
    rule(r"\bpp\. ?(?=[0-9])", "pages "),
    rule(r"\bp\. ?(?=[0-9])", "page "),
    rule(r"\b([AaPp])\.m\.", lambda m: f"{m.group(1).upper()} M{full_stop(m)}"),
    rule(r"\b(?:[A-Z]\.){2,}", lambda m: " ".join(m.group().replace(".", "")) + stop_of(m, ())),
    rule(rf"[{''.join(forms.FRACTIONS)}]", lambda m: f" {forms.FRACTIONS[m.group()]} "),
)
_DATES_AND_MONEY: Final[tuple[Rule, ...]] = (
    rule(
        rf"{ALONE}([0-9]{{4}})-([01]?[0-9])-([0-3]?[0-9]){OVER}",
        lambda m: forms.date(m.group(3), int(m.group(2)), m.group(1)) or m.group(),
    ),
    rule(rf"{ALONE}([0-9]{{1,2}})/([0-9]{{1,2}})/([0-9]{{4}}|[0-9]{{2}}){OVER}", forms.slashed),
    rule(
        rf"{ALONE}([0-9]{{1,2}})\.([0-9]{{1,2}})\.([0-9]{{4}}){OVER}",
        lambda m: forms.date(m.group(1), int(m.group(2)), m.group(3)) or m.group(),
    ),
    rule(
        rf"\b{_MONTH} ([0-9]{{1,2}})(?:st|nd|rd|th)?(?:,? ({forms.YEAR}))?{OVER}",
        lambda m: (
            forms.date(m.group(2), forms.month_number(m.group(1)), m.group(3) or "") or m.group()
        ),
    ),
    rule(
        rf"{ALONE}([Tt]he )?([0-9]{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}(?![a-z])"
        rf"(?:,? ({forms.YEAR}){OVER})?",
        forms.day_of_month,
    ),
    rule(
        rf"\b{_MONTH} ({forms.YEAR}){OVER}",
        lambda m: f"{forms.MONTHS[forms.month_number(m.group(1)) - 1]} {forms.year(m.group(2))}",
    ),
    rule(
        rf"{ALONE}([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?"
        rf"(?: ?([AaPp])\.? ?[Mm](?![A-Za-z])\.?)?{OVER}",
        forms.clock,
    ),
    rule(
        rf"{ALONE}([0-9]{{1,2}}) ?([AaPp])\.? ?[Mm](?![A-Za-z])\.?",
        lambda m: f"{forms.number(m.group(1))} {m.group(2).upper()} M{full_stop(m)}",
    ),
    rule(
        rf"{ALONE}\+[0-9]{{1,3}}(?:[ -]?\(?[0-9]{{2,4}}\)?)(?:[ -]?[0-9]{{2,4}}){{1,4}}{OVER}"
        rf"|(?<!\w)\([0-9]{{3}}\) ?[0-9]{{3}}-[0-9]{{4}}{OVER}"
        rf"|{ALONE}(?:1-)?[0-9]{{3}}-[0-9]{{3}}-[0-9]{{4}}{OVER}"
        rf"|{ALONE}[0-9]{{3}}-[0-9]{{4}}{OVER}",
        forms.phone,
    ),
    rule(r"[-−](?=[$€£¥₽₹] ?[0-9])", " minus "),
    rule(
        rf"(?:\b(?:US|CA?|AU?))?([$€£¥₽₹]) ?({_NUMBER})(?: ?({any_of(forms.MAGNITUDES)})\b)?",
        lambda m: forms.money(m.group(1), m.group(2), m.group(3) or ""),
    ),
    rule(
        rf"{ALONE}({_NUMBER})(?: ?({any_of(forms.MAGNITUDES)}))? ?([€£¥₽₹]|USD|EUR|GBP|JPY|RUB|INR)"
        r"(?!\w)",
        lambda m: forms.money(
            forms.CODES.get(m.group(3), m.group(3)), m.group(1), m.group(2) or ""
        ),
    ),
    rule(r"(?<![\w])(1[0-9]|20)([0-9])0['’]?s\b", forms.decade),
    rule(r"(?<![\w])['’]?()([2-9])0['’]?s\b", forms.decade),
)
_SIGNS: Final[tuple[Rule, ...]] = (
    rule(r"(?<=\w)\+\+(?!\w)", " plus plus"),
    rule(r"\b([CFcf])#(?!\w)", r"\1 sharp"),
    rule(r"(?<=[\w)]) ?\+ ?(?=[\w(])", " plus "),
    rule(r"(?<=[0-9)]) ?[×*] ?(?=[0-9(])|(?<=[\w)]) × (?=[\w(])", " times "),
    rule(r"(?<=[0-9)]) [-−–] (?=[0-9(])", " minus "),
    rule(r"(?<=[\w)]) ?÷ ?(?=[\w(])", " divided by "),
    rule(r" ?(?:<=|≤) ?", " at most "),
    rule(r" ?(?:>=|≥) ?", " at least "),
    rule(r" ?(?:!=|≠) ?", " is not equal to "),
    rule(r"(?<=[\w)]) ?={1,3} ?(?=[\w(\"'-])", " equals "),
    rule(r"(?<=[\w)]) < (?=[\w(-])", " less than "),
    rule(r"(?<=[\w)]) > (?=[\w(-])", " greater than "),
    rule(r"(?<![\w&])~ ?(?=[0-9$€£])|≈ ?", " about "),
    rule(r"± ?", " plus or minus "),
    rule(r"(?<!\w)[#№] ?(?=[0-9])|\bNos?\. ?(?=[0-9])", " number "),
    rule(r" ?& ?", " and "),
    rule(r"(?<=\w) ?@ ?(?=\w)", " at "),
    rule(r"[←-⇿]", " "),
)
_NUMBERS: Final[tuple[Rule, ...]] = (
    rule(r"(?<![\w-])[-−](?=[0-9])", " minus "),
    rule(
        rf"{ALONE}([0-9]+(?:\.[0-9]+)?) ?[-–—] ?([0-9]+(?:\.[0-9]+)?) ?%",
        lambda m: f"{forms.number(m.group(1))} to {forms.number(m.group(2))} percent",
    ),
    rule(rf"(?<![0-9])({_NUMBER}) ?%", lambda m: f"{forms.number(m.group(1))} percent"),
    rule(rf"{ALONE}({_NUMBER})[ -]?({any_of(forms.UNITS)})(?![\w/²³])", forms.counted),
    rule(r"\b([0-9]+)(?:st|nd|rd|th)\b", lambda m: forms.ordinal(m.group(1))),
    rule(rf"{ALONE}([0-9]+(?:\.[0-9]+)?)[-–—]([0-9]+(?:\.[0-9]+)?){OVER}(?!-)", forms.from_to),
    rule(
        rf"\b((?:[Ii]n|[Ss]ince|[Bb]y|[Uu]ntil|[Tt]ill|[Ff]rom|[Bb]efore|[Aa]fter|[Dd]uring"
        rf"|[Yy]ear|[Ss]pring|[Ss]ummer|[Aa]utumn|[Ww]inter|[Ee]arly|[Ll]ate|and|to)(?: of)?) "
        rf"({forms.YEAR}){OVER}(?! ?[a-z]+s\b)",
        lambda m: f"{m.group(1)} {forms.year(m.group(2))}",
    ),
    rule(
        rf"(?<![\w.,])({forms.YEAR})(?= (?:AD|BC|CE|BCE)\b)|(?<=[©(])({forms.YEAR})(?=\))",
        lambda m: forms.year(m.group()),
    ),
    rule(rf"{ALONE}(?:([0-9]+) )?([0-9]+)/([0-9]+){OVER}", forms.fraction),
    rule(r"(?<![\w.])[0-9]+(?:\.[0-9]+){2,}(?![\w])", forms.dotted),
    rule(r"(?<=[0-9]) ?[x×] ?(?=[0-9])", " by "),
    rule(rf"{ALONE}({_NUMBER})k\b", lambda m: f"{forms.number(m.group(1))} thousand"),
    rule(rf"{ALONE}({_NUMBER})M\b", lambda m: f"{forms.number(m.group(1))} million"),
    rule(rf"{ALONE}({_NUMBER})x\b", lambda m: f"{forms.number(m.group(1))} times"),
    rule(r"(?<![\w])\.([0-9]+)", lambda m: f" point {one_by_one(m.group(1), 'en')}"),
    # What is glued to a letter is a word of its own: MP3, 5G, x86.
    rule(r"(?<=[^\W\d_])(?=[0-9])|(?<=[0-9])(?=[^\W\d_])", " "),
    rule(_NUMBER, lambda m: forms.number(m.group())),
)
_LAST: Final[tuple[Rule, ...]] = (
    rule(r"(?<=\w)_(?=\w)", " "),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", " "),
    rule(r"(?<=\w)²", " squared"),
    rule(r"(?<=\w)³", " cubed"),
    rule(r"(?<=[A-Za-z])\.(?=[a-z]{2,}\b)", " dot "),
)
RULES: Final = (*_WORDS, *_DATES_AND_MONEY, *_SIGNS, *_NUMBERS, *_LAST)
"""All rules in their order."""
