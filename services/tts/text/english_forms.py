"""English: how numbers, amounts, units, dates and times are said."""

from __future__ import annotations

import re
from typing import Final

from services.tts.text.numbers import one_by_one, spelt
from services.tts.text.rules import full_stop

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
YEAR: Final = r"1[1-9][0-9]{2}|20[0-9]{2}"
CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
CODES: Final = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "RUB": "₽", "INR": "₹"}
MAGNITUDES: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
    "bn": "billion", "B": "billion", "thousand": "thousand", "million": "million",
    "billion": "billion", "trillion": "trillion",
}  # fmt: skip
UNITS: Final = {
    "km/h": "kilometer per hour", "kph": "kilometer per hour", "mph": "mile per hour",
    "m/s": "meter per second", "km²": "square kilometer", "m²": "square meter",
    "m³": "cubic meter", "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "m": "meter",
    "kg": "kilogram", "mg": "milligram", "g": "gram", "lbs": "pound", "lb": "pound",
    "oz": "ounce", "ft": "foot", "mi": "mile", "yd": "yard", "ml": "milliliter", "l": "liter",
    "L": "liter", "ms": "millisecond", "sec": "second", "s": "second", "min": "minute",
    "hrs": "hour", "hr": "hour", "h": "hour", "kWh": "kilowatt hour", "kW": "kilowatt",
    "MW": "megawatt", "W": "watt", "V": "volt", "mAh": "milliampere hour", "kHz": "kilohertz",
    "MHz": "megahertz", "GHz": "gigahertz", "Hz": "hertz", "KB": "kilobyte", "kB": "kilobyte",
    "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "Mbps": "megabit per second",
    "Gbps": "gigabit per second", "dB": "decibel", "°C": "degree Celsius",
    "°F": "degree Fahrenheit", "℃": "degree Celsius", "℉": "degree Fahrenheit", "°": "degree",
    "px": "pixel", "kcal": "kilocalorie",
}  # fmt: skip
FRACTIONS: Final = {"½": "one half", "¼": "one quarter", "¾": "three quarters", "⅓": "one third"}
_DENOMINATORS: Final = {"2": "half", "4": "quarter"}
_BEFORE_A_NOUN: Final = frozenset({"square", "cubic", "kilowatt", "milliampere"})


def cardinal(digits: str) -> str:
    """Return a whole number in words."""
    return spelt(digits, "en", "spellout-cardinal")


def ordinal(digits: str) -> str:
    """Return "third" for 3."""
    return spelt(digits, "en", "spellout-ordinal")


def year(digits: str) -> str:
    """Return "nineteen eighty-four" for 1984."""
    return spelt(digits, "en", "spellout-numbering-year")


def number(text: str) -> str:
    """Return a number, with or without decimals, in words; leading noughts are said."""
    whole, _, decimals = text.replace(",", "").partition(".")
    is_code = len(whole) > 1 and whole.startswith("0")
    said = one_by_one(whole, "en") if is_code else cardinal(whole)
    return f"{said} point {one_by_one(decimals, 'en')}" if decimals else said


def counted(match: re.Match[str]) -> str:
    """Return a number with its unit."""
    amount, unit = match.group(1), UNITS[match.group(2)]
    return f"{number(amount)} {unit if amount == '1' else _plural(unit)}"


def _plural(unit: str) -> str:
    first, *rest = unit.split(" ")
    if first.endswith("hertz"):
        return unit
    if first in _BEFORE_A_NOUN:
        return f"{unit}s"
    return " ".join(["feet" if first == "foot" else f"{first}s", *rest])


def money(sign: str, amount: str, magnitude: str) -> str:
    """Return an amount of money in words."""
    one, many, cent, cents = CURRENCIES[sign]
    if magnitude:
        return f"{number(amount)} {MAGNITUDES[magnitude]} {many}"
    whole, _, decimals = amount.replace(",", "").partition(".")
    if len(decimals) != 2:
        return f"{number(amount)} {one if amount == '1' else many}"
    small = int(decimals)
    said = []
    if int(whole) or not small:
        said.append(f"{cardinal(whole)} {one if whole == '1' else many}")
    if small:
        said.append(f"{cardinal(str(small))} {cent if small == 1 else cents}")
    return " and ".join(said)


def clock(match: re.Match[str]) -> str:
    """Return a time of the day in words."""
    hour, minute, second, half = match.groups()
    said = cardinal(str(int(hour)))
    minutes = f"oh {cardinal(minute[1])}" if minute[0] == "0" else cardinal(minute)
    if half:
        exact = "" if minute == "00" else f" {minutes}"
        return f"{said}{exact} {half.upper()} M{full_stop(match)}"
    if minute == "00" and not second:
        return f"{said} {'o’clock' if int(hour) <= 12 else 'hundred'}"
    seconds = f" and {cardinal(str(int(second)))} seconds" if second else ""
    return f"{said} {minutes}{seconds}"


def date(day: str, month: int, full_year: str) -> str:
    """Return a date in words; "" when there is no such day."""
    if not (1 <= int(day) <= 31 and 1 <= month <= 12):
        return ""
    said = f"{MONTHS[month - 1]} {ordinal(str(int(day)))}"
    return f"{said}, {year(full_year)}" if full_year else said


def month_number(name: str) -> int:
    """Return 1 for January, Jan. and Jan."""
    return next(n for n, full in enumerate(MONTHS, 1) if full.startswith(name[:3]))


def slashed(match: re.Match[str]) -> str:
    """Return 5/31/2024 in words: the month is first unless it cannot be."""
    first, second, written = match.groups()
    day, month = (second, first) if int(first) <= 12 else (first, second)
    return date(day, int(month), f"20{written}"[-4:]) or match.group()


def day_of_month(match: re.Match[str]) -> str:
    """Return "the fifth of May" for 5 May."""
    the, day, month, full_year = match.groups()
    if not 1 <= int(day) <= 31:
        return match.group()
    said = f"{the or 'the '}{ordinal(day)} of {MONTHS[month_number(month) - 1]}"
    return f"{said}, {year(full_year)}" if full_year else said


def decade(match: re.Match[str]) -> str:
    """Return "nineteen nineties" for 1990s, and "nineties" for '90s."""
    century, ten = match.groups()
    said = year(f"{century}{ten}0") if century else cardinal(f"{ten}0")
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def from_to(match: re.Match[str]) -> str:
    """Return "ten to fifteen" for 10-15."""
    first, last = match.groups()
    years = re.fullmatch(YEAR, first) and (re.fullmatch(YEAR, last) or len(last) == 2)
    say = year if years else number
    joined = " to " if years or float(first) < float(last) else " "
    return f"{say(first)}{joined}{say(last)}"


def fraction(match: re.Match[str]) -> str:
    """Return "three quarters" for 3/4."""
    whole, top, bottom = match.groups()
    if (top, bottom) == ("24", "7"):
        said = "twenty-four seven"
    elif len(bottom) <= 2 and 2 <= int(bottom) <= 10 and len(top) <= 2:
        one = _DENOMINATORS.get(bottom) or ordinal(str(int(bottom)))
        many = "halves" if one == "half" else f"{one}s"
        said = f"{cardinal(top)} {one if int(top) == 1 else many}"
    else:
        said = f"{cardinal(top)} over {cardinal(bottom)}"
    return f"{cardinal(whole)} and {said}" if whole else said


def phone(match: re.Match[str]) -> str:
    """Return the digits of a telephone number, group by group."""
    groups = [one_by_one(group, "en") for group in re.findall("[0-9]+", match.group())]
    return ("plus " if match.group().startswith("+") else "") + ", ".join(groups)


def dotted(match: re.Match[str]) -> str:
    """Return the parts of a version or an address."""
    return " dot ".join(cardinal(part) for part in match.group().split("."))
