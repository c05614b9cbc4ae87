"""Russian: how numbers, amounts, units, dates and times are said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.tts.text.numbers import one_by_one, spelt

Forms = tuple[str, str, str]
"""A noun behind 1, behind 2 to 4 (and behind fractions), and behind 5 and more."""

MONTHS: Final = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября",
    "октября", "ноября", "декабря",
)  # fmt: skip
CURRENCIES: Final[Mapping[str, tuple[Forms, Forms]]] = {
    "₽": (("рубль", "рубля", "рублей"), ("копейка", "копейки", "копеек")),
    "$": (("доллар", "доллара", "долларов"), ("цент", "цента", "центов")),
    "€": (("евро", "евро", "евро"), ("цент", "цента", "центов")),
    "£": (("фунт", "фунта", "фунтов"), ("пенс", "пенса", "пенсов")),
    "¥": (("иена", "иены", "иен"), ("сен", "сена", "сенов")),
}
MAGNITUDES: Final[Mapping[str, Forms]] = {
    "тыс.": ("тысяча", "тысячи", "тысяч"),
    "тыс": ("тысяча", "тысячи", "тысяч"),
    "млн": ("миллион", "миллиона", "миллионов"),
    "млрд": ("миллиард", "миллиарда", "миллиардов"),
    "трлн": ("триллион", "триллиона", "триллионов"),
}
UNITS: Final[Mapping[str, Forms]] = {
    "км/ч": ("километр в час", "километра в час", "километров в час"),
    "м/с": ("метр в секунду", "метра в секунду", "метров в секунду"),
    "км²": ("квадратный километр", "квадратных километра", "квадратных километров"),
    "м²": ("квадратный метр", "квадратных метра", "квадратных метров"),
    "кв. м": ("квадратный метр", "квадратных метра", "квадратных метров"),
    "м³": ("кубический метр", "кубических метра", "кубических метров"),
    "км": ("километр", "километра", "километров"),
    "м": ("метр", "метра", "метров"),
    "см": ("сантиметр", "сантиметра", "сантиметров"),
    "мм": ("миллиметр", "миллиметра", "миллиметров"),
    "кг": ("килограмм", "килограмма", "килограммов"),
    "г": ("грамм", "грамма", "граммов"),
    "мг": ("миллиграмм", "миллиграмма", "миллиграммов"),
    "л": ("литр", "литра", "литров"),
    "мл": ("миллилитр", "миллилитра", "миллилитров"),
    "ч": ("час", "часа", "часов"),
    "мин": ("минута", "минуты", "минут"),
    "сек": ("секунда", "секунды", "секунд"),
    "с": ("секунда", "секунды", "секунд"),
    "мс": ("миллисекунда", "миллисекунды", "миллисекунд"),
    "ГБ": ("гигабайт", "гигабайта", "гигабайт"),
    "Гб": ("гигабайт", "гигабайта", "гигабайт"),
    "МБ": ("мегабайт", "мегабайта", "мегабайт"),
    "КБ": ("килобайт", "килобайта", "килобайт"),
    "ТБ": ("терабайт", "терабайта", "терабайт"),
    "ГГц": ("гигагерц", "гигагерца", "гигагерц"),
    "МГц": ("мегагерц", "мегагерца", "мегагерц"),
    "кГц": ("килогерц", "килогерца", "килогерц"),
    "Гц": ("герц", "герца", "герц"),
    "кВт": ("киловатт", "киловатта", "киловатт"),
    "Вт": ("ватт", "ватта", "ватт"),
    "В": ("вольт", "вольта", "вольт"),
    "га": ("гектар", "гектара", "гектаров"),
    "°C": ("градус Цельсия", "градуса Цельсия", "градусов Цельсия"),
    "°С": ("градус Цельсия", "градуса Цельсия", "градусов Цельсия"),
    "℃": ("градус Цельсия", "градуса Цельсия", "градусов Цельсия"),
    "°": ("градус", "градуса", "градусов"),
    "%": ("процент", "процента", "процентов"),
}
_FEMININE: Final = frozenset({"тысяча", "копейка", "минута", "секунда", "миллисекунда", "иена"})
_PARTS: Final = {1: "десят", 2: "сот", 3: "тысячн"}
_YO: Final = (("четверт", "четвёрт"), ("четырех", "четырёх"), ("трех", "трёх"))


def cardinal(digits: str, gender: str = "masculine", case: str = "") -> str:
    """Return a whole number in words.

    Args:
        digits: ASCII digits.
        gender: ``masculine``, ``feminine`` or ``neuter``.
        case: ``-genitive``, ``-dative`` …; empty for the nominative.
    """
    if len(digits) > 1 and digits.startswith("0"):
        return one_by_one(digits, "ru")
    return _with_yo(spelt(digits, "ru", f"spellout-cardinal-{gender}{case}"))


def ordinal(digits: str, form: str) -> str:
    """Return an ordinal in words; a year's thousand is not counted.

    Args:
        digits: ASCII digits.
        form: Gender and case, such as ``neuter-genitive``.
    """
    return _with_yo(spelt(digits, "ru", f"spellout-ordinal-{form}")).removeprefix("одна ")


def number(text: str) -> str:
    """Return a number, with or without decimals, in words."""
    whole, _, decimals = compact(text).partition(".")
    if not decimals:
        return cardinal(whole)
    if len(decimals) > len(_PARTS) or len(whole) > 12:
        return f"{cardinal(whole)} запятая {one_by_one(decimals, 'ru')}"
    ends = ("ая", "ых", "ых")
    whole_end = agreed(whole, ("целая", "целых", "целых"))
    part = f"{_PARTS[len(decimals)]}{agreed(str(int(decimals)), ends)}"
    top = cardinal(str(int(decimals)), "feminine")
    return f"{cardinal(whole, 'feminine')} {whole_end} {top} {part}"


def compact(text: str) -> str:
    """Return a written number without its spaces and with a point."""
    return re.sub(r"\s", "", text).replace(",", ".")


def agreed(digits: str, forms: Forms) -> str:
    """Return the form of a noun behind a number."""
    if "." in digits:
        return forms[1]
    last, tens = int(digits[-1]), int(digits[-2:]) // 10
    if tens == 1 or last == 0 or last > 4:
        return forms[2]
    return forms[0] if last == 1 else forms[1]


def counted(text: str, forms: Forms, case: str = "") -> str:
    """Return a number with the noun that it counts.

    Args:
        text: The number as it was written.
        forms: The noun.
        case: ``-genitive`` behind a preposition that wants it; empty else.
    """
    digits = compact(text)
    if "." in digits:
        return f"{number(text)} {forms[1]}"
    gender = "feminine" if forms[0].split()[0] in _FEMININE else "masculine"
    if not case:
        return f"{cardinal(digits, gender)} {agreed(digits, forms)}"
    noun = forms[1] if agreed(digits, forms) == forms[0] else forms[2]
    return f"{cardinal(digits, gender, case)} {noun}"


def money(sign: str, amount: str, magnitude: str) -> str:
    """Return an amount of money in words."""
    forms, small = CURRENCIES[sign]
    if magnitude:
        return f"{counted(amount, MAGNITUDES[magnitude])} {forms[2]}"
    whole, _, decimals = compact(amount).partition(".")
    if len(decimals) != 2:
        return counted(amount, forms)
    said = [counted(whole, forms)] if int(whole) or not int(decimals) else []
    if int(decimals):
        said.append(counted(str(int(decimals)), small))
    return " ".join(said)


def date(day: str, month: int, year: str, form: str = "neuter-genitive") -> str:
    """Return a date in words; "" when there is no such day."""
    if not (1 <= int(day) <= 31 and 1 <= month <= 12):
        return ""
    said = f"{ordinal(str(int(day)), form)} {MONTHS[month - 1]}"
    return f"{said} {ordinal(year, 'masculine-genitive')} года" if year else said


def clock(hour: str, minute: str) -> str:
    """Return a time of the day in words."""
    hours = cardinal(str(int(hour)))
    if minute == "00":
        return f"{hours} {agreed(str(int(hour)), ('час', 'часа', 'часов'))}"
    minutes = cardinal(minute) if minute[0] != "0" else f"ноль {cardinal(minute[1])}"
    return f"{hours} {minutes}"


def _with_yo(text: str) -> str:
    for plain, dotted in _YO:
        text = text.replace(plain, dotted)
    return text
