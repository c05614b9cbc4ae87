"""Russian: numbers and what belongs to them, abbreviations and signs, in words."""

from __future__ import annotations

import re
from typing import Final

from services.tts.text import russian_forms as forms
from services.tts.text.numbers import one_by_one
from services.tts.text.rules import ALONE, OVER, Rule, any_of, full_stop, rule, stop_of

_NUMBER: Final = r"[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?(?![0-9])|[0-9]+(?:[.,][0-9]+)?"
_YEAR: Final = r"1[0-9]{3}|20[0-9]{2}"
_MONTH: Final = f"({'|'.join(forms.MONTHS)})"
_GENITIVE: Final = (
    "от", "до", "из", "около", "без", "более", "менее", "свыше", "больше", "меньше", "для",
    "после", "кроме", "порядка",
)  # fmt: skip
_CASE: Final = {"": "", "к": "-dative", **dict.fromkeys(_GENITIVE, "-genitive")}
_YEAR_FORMS: Final = {
    "год": "masculine", "года": "masculine-genitive", "году": "masculine-locative",
    "годом": "masculine-ablative", "годах": "plural-locative", "годов": "plural-genitive",
    "годы": "plural", "гг.": "plural",
}  # fmt: skip
_SUFFIXES: Final = {
    "й": "masculine", "ый": "masculine", "ий": "masculine", "ой": "feminine-genitive",
    "я": "feminine", "ая": "feminine", "е": "neuter", "ое": "neuter", "го": "masculine-genitive",
    "ого": "masculine-genitive", "му": "masculine-dative", "ому": "masculine-dative",
    "м": "masculine-locative", "ом": "masculine-locative", "ю": "feminine-accusative",
    "ую": "feminine-accusative", "х": "plural-genitive", "ых": "plural-genitive",
    "ми": "plural-ablative",
}  # fmt: skip
_ABBREVIATIONS: Final = {
    "т. е.": "то есть", "т.е.": "то есть", "т. д.": "так далее", "т.д.": "так далее",
    "т. п.": "тому подобное", "т.п.": "тому подобное", "т. к.": "так как", "т.к.": "так как",
    "т. н.": "так называемый", "т.н.": "так называемый", "напр.": "например",
    "и др.": "и другие", "и пр.": "и прочее", "проф.": "профессор", "акад.": "академик",
    "ул.": "улица", "просп.": "проспект", "пер.": "переулок", "обл.": "область",
    "им.": "имени", "тел.": "телефон", "см.": "смотри", "ср.": "сравни", "гл.": "глава",
    "рис.": "рисунок", "мин.": "минут", "сек.": "секунд", "руб.": "рублей", "коп.": "копеек",
    "тыс.": "тысяч", "млн": "миллионов", "млрд": "миллиардов", "чел.": "человек",
    "до н. э.": "до нашей эры", "до н.э.": "до нашей эры", "н. э.": "нашей эры",
    "н.э.": "нашей эры",
}  # fmt: skip
_LAST_WORDS: Final = frozenset({
    "т. д.", "т.д.", "т. п.", "т.п.", "и др.", "и пр.", "руб.", "коп.", "тыс.", "чел.", "мин.",
    "сек.", "н. э.", "н.э.", "до н. э.", "до н.э.",
})  # fmt: skip
"""Abbreviations that a sentence may end with, though a capital follows."""

_SIGN_OF: Final = {"руб.": "₽", "руб": "₽", "р.": "₽", "RUB": "₽", "USD": "$", "EUR": "€"}


def _dated(match: re.Match[str]) -> str:
    before, day, name, year, _ = match.groups()
    # What lies behind these is the accusative or the dative, which only the day shows.
    form = {"на": "neuter", "по": "neuter", "за": "neuter", "к": "neuter-dative"}
    case = form.get((before or "").strip().lower(), "neuter-genitive")
    said = forms.date(day, forms.MONTHS.index(name) + 1, year or "", case)
    return f"{before or ''}{said}" if said else match.group()


def _numeric_date(match: re.Match[str]) -> str:
    day, month, year = match.group("day"), match.group("month"), match.group("year")
    return forms.date(day, int(month), year) or match.group()


def _years(match: re.Match[str]) -> str:
    before, year, word = match.groups()
    if word in {"г.", "г"}:
        word = {"в": "году", "": "год"}.get((before or "").strip().lower(), "года")
    said = forms.ordinal(year, _YEAR_FORMS[word])
    return f"{before or ''}{said} {'годы' if word == 'гг.' else word}"


def _ordinal(match: re.Match[str]) -> str:
    digits, suffix = match.groups()
    is_decade = suffix == "е" and int(digits) % 10 == 0
    return forms.ordinal(digits, "plural" if is_decade else _SUFFIXES[suffix])


def _range(match: re.Match[str]) -> str:
    first, last = match.groups()
    return f"{forms.number(first)} — {forms.number(last)}"


def _counted(match: re.Match[str]) -> str:
    before, number, unit = match.groups()
    case = _CASE.get((before or "").strip().lower(), "")
    said = forms.counted(number, forms.UNITS[unit], "-genitive" if case == "-genitive" else "")
    return f"{before or ''}{said}"


def _plain(match: re.Match[str]) -> str:
    before, text, word = match.groups()
    digits = forms.compact(text)
    case = _CASE.get((before or "").strip().lower(), "")
    if "." in digits:
        return f"{before or ''}{forms.number(text)}"
    return f"{before or ''}{forms.cardinal(digits, _gender(digits, word or ''), case)}"


def _gender(digits: str, word: str) -> str:
    """Guess the gender of what is counted from its ending; only 1 and 2 show it."""
    if digits.endswith("1") and not digits.endswith("11"):
        if re.search("(?:а|я)$", word):
            return "feminine"
        return "neuter" if re.search("(?:о|е)$", word) else "masculine"
    if digits.endswith("2") and not digits.endswith("12") and re.search("(?:ы|и|ые|ие)$", word):
        return "feminine"
    return "masculine"


def _phone(match: re.Match[str]) -> str:
    groups = re.findall("[0-9]+", match.group())
    said = [forms.cardinal(g) if len(g) <= 3 else one_by_one(g, "ru") for g in groups]
    return ("плюс " if match.group().startswith("+") else "") + ", ".join(said)


def _dotted(match: re.Match[str]) -> str:
    return " точка ".join(forms.cardinal(part) for part in match.group().split("."))


RULES: Final[tuple[Rule, ...]] = (
    rule(r"^\s*([0-9]{1,3})[.)]\s+(?=\S)", lambda m: f"{forms.cardinal(m.group(1))}, "),
    rule(
        rf"\b([Нн]а |[Пп]о |[Зз]а |[Кк] )?([0-9]{{1,2}}) {_MONTH}(?: ({_YEAR})( ?г(?:ода|\.))?)?"
        r"(?![\w])",
        _dated,
    ),
    rule(
        rf"\b([Вв] |[Нн]а |[Кк] |[Сс] |[Дд]о |[Пп]осле |[Оо]т )?({_YEAR}) ?"
        r"(г\.(?=\s*(?:[^А-ЯЁ\s]|$))|г\.|год(?:а|у|ом|ах|ов|ы)?\b|гг\.)",
        _years,
    ),
    rule(
        rf"{ALONE}(?P<day>[0-9]{{1,2}})[./](?P<month>[0-9]{{1,2}})[./](?P<year>[0-9]{{4}})"
        rf"(?: ?г(?:ода|\.))?{OVER}",
        _numeric_date,
    ),
    rule(
        rf"{ALONE}(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}}){OVER}",
        _numeric_date,
    ),
    rule(
        rf"{ALONE}([01]?[0-9]|2[0-3]):([0-5][0-9]){OVER}",
        lambda m: forms.clock(m.group(1), m.group(2)),
    ),
    rule(
        rf"{ALONE}(?:\+[0-9]|8)[ -]\(?[0-9]{{3}}\)?[ -][0-9]{{3}}[ -][0-9]{{2}}[ -][0-9]{{2}}{OVER}"
        rf"|{ALONE}\+[0-9]{{11}}{OVER}|{ALONE}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}{OVER}",
        _phone,
    ),
    rule(r"(?<![\w-])[-−](?=[0-9$€£₽])", " минус "),
    rule(
        rf"([$€£¥₽]) ?({_NUMBER})(?: ?({any_of(forms.MAGNITUDES)})(?![\w]))?",
        lambda m: forms.money(m.group(1), m.group(2), m.group(3) or ""),
    ),
    rule(
        rf"{ALONE}({_NUMBER})(?: ?({any_of(forms.MAGNITUDES)}))? ?([$€£¥₽]|{any_of(_SIGN_OF)})"
        r"(?![\w])",
        lambda m: (
            forms.money(_SIGN_OF.get(m.group(3), m.group(3)), m.group(1), m.group(2) or "")
            + full_stop(m)
        ),
    ),
    rule(
        rf"{ALONE}({_NUMBER}) ?({any_of(forms.MAGNITUDES)})(?![\w])",
        lambda m: forms.counted(m.group(1), forms.MAGNITUDES[m.group(2)]),
    ),
    rule(rf"{ALONE}([0-9]+)-({any_of(_SUFFIXES)})(?![\w])", _ordinal),
    rule(
        rf"\b((?:{any_of(_GENITIVE)}) )?({_NUMBER}) ?({any_of(forms.UNITS)})(?![\w/²³])", _counted
    ),
    rule(rf"{ALONE}({_NUMBER})[-–—]({_NUMBER}){OVER}(?!-)", _range),
    rule(r"(?<![\w.])[0-9]+(?:\.[0-9]+){2,}(?![\w])", _dotted),
    rule(r"№ ?(?=[0-9])|#(?=[0-9])", "номер "),
    rule(r"\bстр\. ?(?=[0-9])", "страница "),
    rule(r"\bд\. ?(?=[0-9])", "дом "),
    rule(r"\bкв\. ?(?=[0-9])", "квартира "),
    rule(r"\bг\. (?=[А-ЯЁ])", "город "),
    rule(
        rf"(?<![\w.])(?:{any_of(_ABBREVIATIONS)})(?![\w])",
        lambda m: _ABBREVIATIONS[m.group()] + stop_of(m, _LAST_WORDS),
    ),
    rule(r"(?<=[0-9)]) ?\+ ?(?=[0-9(])", " плюс "),
    rule(r"(?<=[0-9)]) ?[×*] ?(?=[0-9(])", " умножить на "),
    rule(r"(?<=[0-9)]) [-−–] (?=[0-9(])", " минус "),
    rule(r"(?<=[\w)]) ?={1,3} ?(?=[\w(-])", " равно "),
    rule(r"(?<=[\w)]) < (?=[\w(-])", " меньше "),
    rule(r"(?<=[\w)]) > (?=[\w(-])", " больше "),
    rule(r"~ ?(?=[0-9])|≈ ?", "примерно "),
    rule(r" ?& ?", " и "),
    rule(r"[←-⇿]", " "),
    rule(r"(?<=\w)_(?=\w)|(?<=[A-Za-zА-Яа-я])/(?=[A-Za-zА-Яа-я])", " "),
    rule(
        rf"{ALONE}([0-9]+)/([0-9]+){OVER}",
        lambda m: f"{forms.number(m.group(1))} дробь {forms.number(m.group(2))}",
    ),
    rule(r"(?<=[^\W\d_])(?=[0-9])|(?<=[0-9])(?=[^\W\d_])", " "),
    rule(rf"\b((?:{any_of(k for k in _CASE if k)}) )?({_NUMBER})(?= ([а-яё]+)|)", _plain),
    rule(r"([0-9]+)", lambda m: forms.cardinal(m.group(1))),
    rule(r" ?% ?", " процентов "),
)
"""All rules in their order."""
