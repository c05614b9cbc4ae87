"""What is said of what was written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.tts.text import speakable

ANY_LANGUAGE = st.sampled_from(["", "en", "ru", "de", "zh", "und", "xx"])
MARKUP = set("*_`~#|<>[]{}\\^=")

# Mostly what rules look at, so that they meet each other.
fragments = st.one_of(
    st.sampled_from(
        [
            *["1", "2", "21", "1984", "2024", "1,000", "3.14", "5,50", "10:30", "007", "99" * 12],
            *["$", "€", "₽", "%", "km", "км", "°C", "k", "M", "th", "-й", "x", "s", "г.", "году"],
            *[
                "-",
                "/",
                ".",
                ",",
                ":",
                "+",
                "=",
                "*",
                "**",
                "_",
                "`",
                "#",
                "|",
                "[",
                "](",
                ")",
                "(",
            ],
            *[
                "Dr.",
                "e.g.",
                "т.е.",
                "ул.",
                "a.m.",
                "May",
                "мая",
                "in",
                "около",
                "http://",
                "a@b.c",
            ],
            *["\n", "- ", "> ", "```", "😀", "word", "слово", "½", "²", "<b>", "٣", "5️⃣", "\u200d"],
        ]
    ),
    st.text(max_size=6),
)
texts = st.lists(st.tuples(fragments, st.sampled_from(["", " "])), max_size=25).map(
    lambda parts: "".join(part + space for part, space in parts)
)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello, world.", "Hello, world."),
        ("**Hello** _world_, this is *it* and ***so*** on.", "Hello world, this is it and so on."),
        ("See [the page](https://example.org/a_(b)) now.", "See the page now."),
        ("See [the page][1] now.", "See the page now."),
        ("![A cat](cat.png) is here", "A cat is here"),
        ("Run `make test` first.", "Run make test first."),
        ("```python\nprint(x)\n```", "print(x)"),
        ("# A title\n\n- one\n* two\n> three", "A title. one. two. three"),
        ("- [x] done\n- [ ] open", "done. open"),
        ("1. Apples", "one, Apples"),
        ("| a | b |\n|---|---|\n| c | d |", "a, b. c, d"),
        ("~~No~~ yes", "No yes"),
        ("Nice 😀👍🏽, is it not ❤️?", "Nice, is it not?"),
        ("A family 👨‍👩‍👧 here", "A family here"),
        ("1️⃣ first", "one first"),
        ("a\x00b\u200bc\ufeff", "abc"),
        ("too \t many\n\n spaces", "too many spaces"),
        ("snake_case and a | b", "snake case and a b"),
        ("<b>bold</b> but x < y", "bold but x less than y"),
        ("Привет, мир! 你好。", "Привет, мир! 你好。"),
        ("**an unfinished thought", "an unfinished thought"),
    ],
)
def test_only_words_and_their_marks_are_left(text: str, spoken: str) -> None:
    """Marks of Markdown, pictures and control characters go; words and their marks stay."""
    assert speakable(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("https://www.example.org/docs/page?x=1#top.", "example dot org slash docs slash page."),
        ("Is it <https://example.org>?", "Is it example dot org?"),
        ("Write to a.b@example.org now.", "Write to a dot b at example dot org now."),
        (
            "Open services/tts/text.py, please.",
            "Open services slash tts slash text dot py, please.",
        ),
        ("It is in /usr/local/bin.", "It is in slash usr slash local slash bin."),
        ("пишите на a@example.ru", "пишите на a собака example точка ru"),
    ],
)
def test_addresses_are_read_as_people_read_them(text: str, spoken: str) -> None:
    """Nobody says a scheme or a query, and everybody says the dots."""
    assert speakable(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("1,500 people", "one thousand five hundred people"),
        ("-5 and 3.14", "minus five and three point one four"),
        ("the 21st of 3rd", "the twenty-first of third"),
        ("agent 007", "agent zero zero seven"),
        ("$29.95", "twenty-nine dollars and ninety-five cents"),
        ("$1, £0.50 and -€2", "one dollar, fifty pence and minus two euros"),
        ("$1.5 million, 100 USD", "one point five million dollars, one hundred dollars"),
        ("50% or 3.5 %", "fifty percent or three point five percent"),
        ("20 °C, 5 km/h, 1 kg", "twenty degrees Celsius, five kilometers per hour, one kilogram"),
        ("at 10:30, 10:05 and 7:00", "at ten thirty, ten oh five and seven o’clock"),
        ("at 5 p.m. We go", "at five P M. We go"),
        ("10:30 AM sharp", "ten thirty A M sharp"),
        ("May 5, 2024", "May fifth, twenty twenty-four"),
        ("on 5 May 2024", "on the fifth of May, twenty twenty-four"),
        ("2024-05-01 or 12/31/1999", "May first, twenty twenty-four or "
         "December thirty-first, nineteen ninety-nine"),
        ("in 1984 and in 2005", "in nineteen eighty-four and in two thousand five"),
        ("1984 cars", "one thousand nine hundred eighty-four cars"),
        ("the 1990s, the '80s", "the nineteen nineties, the eighties"),
        ("1914-1918, 10-15", "nineteen fourteen to nineteen eighteen, ten to fifteen"),
        ("1/2, 3/4 and 1 1/2", "one half, three quarters and one and one half"),
        ("+1 (555) 123-4567", "plus one, five five five, one two three, four five six seven"),
        ("555-1234", "five five five, one two three four"),
        ("2+2=4, 2*3 = 6", "two plus two equals four, two times three equals six"),
        ("version 3.11.7", "version three dot eleven dot seven"),
        ("C++, C#, MP3, 5G", "C plus plus, C sharp, MP three, five G"),
        ("10k, 1920x1080", "ten thousand, one thousand nine hundred twenty by "
         "one thousand eighty"),
        ("1" * 20, " ".join(["one"] * 20)),
    ],
)  # fmt: skip
def test_english_numbers_become_words(text: str, spoken: str) -> None:
    """Numbers are said as what they are: amounts, dates, times, years, digits."""
    assert speakable(text, "en") == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Dr. Smith and Mr. Jones", "Doctor Smith and Mister Jones"),
        ("Fruit, e.g. apples, i.e. those", "Fruit, for example apples, that is those"),
        ("approx. 5 of them, etc.", "approximately five of them, et cetera."),
        ("and so on, etc. We go", "and so on, et cetera. We go"),
        ("St. Mary, Prof. Lee vs. us", "Saint Mary, Professor Lee versus us"),
        ("the U.S. Navy, No. 5, R&D", "the U S Navy, number five, R and D"),
    ],
)
def test_english_abbreviations_are_said_in_full(text: str, spoken: str) -> None:
    """Their dots end no sentence, unless one ends there."""
    assert speakable(text, "en") == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("21 книга, 2 книги, 2 стола", "двадцать одна книга, две книги, два стола"),
        ("3,14 и -5", "три целых четырнадцать сотых и минус пять"),
        ("1 000 000 рублей", "один миллион рублей"),
        ("5,50 ₽ или 100 руб.", "пять рублей пятьдесят копеек или сто рублей."),
        ("$5, 1,5 млн руб.", "пять долларов, одна целая пять десятых миллиона рублей."),
        ("21% и 50 %", "двадцать один процент и пятьдесят процентов"),
        ("80 км/ч, 22 мин, 1,5 л", "восемьдесят километров в час, двадцать две минуты, "
         "одна целая пять десятых литра"),
        ("около 5 км, от 2 до 4 м", "около пяти километров, от двух до четырёх метров"),
        ("к 5 часам", "к пяти часам"),
        ("в 10:00 и в 10:05", "в десять часов и в десять ноль пять"),
        ("5 мая 2024 г. было так", "пятого мая две тысячи двадцать четвёртого года было так"),
        ("на 5 мая", "на пятое мая"),
        ("01.05.2024", "первого мая две тысячи двадцать четвёртого года"),
        ("В 1984 году", "В тысяча девятьсот восемьдесят четвёртом году"),
        ("1945 год", "тысяча девятьсот сорок пятый год"),
        ("5-й этаж, 20-го, 1990-е", "пятый этаж, двадцатого, тысяча девятьсот девяностые"),
        ("5-10 минут", "пять — десять минут"),
        ("+7 495 123-45-67", "плюс семь, четыреста девяносто пять, сто двадцать три, "
         "сорок пять, шестьдесят семь"),
        ("т.е. так, и т. д.", "то есть так, и так далее."),
        ("ул. Ленина, д. 5, г. Москва", "улица Ленина, дом пять, город Москва"),
        ("№ 5 и iPhone 15", "номер пять и iPhone пятнадцать"),
    ],
)  # fmt: skip
def test_russian_numbers_and_abbreviations_become_words(text: str, spoken: str) -> None:
    """Numbers agree with what they count, as far as it can be seen."""
    assert speakable(text, "ru") == spoken


def test_other_languages_keep_their_numbers() -> None:
    """The voice knows better how to say them than rules of another language."""
    assert speakable("Das kostet **29,95 €** am 5. Mai.", "de") == "Das kostet 29,95 € am 5. Mai."


def test_the_language_is_seen_from_the_script() -> None:
    """Where nobody says which it is."""
    assert speakable("5 яблок") == "пять яблок"
    assert speakable("5 apples") == "five apples"


@pytest.mark.parametrize(
    "text", ["", " \n", "...", "—", "**", "😀😀", "```\n```", "\x00", "- ", "?!", "|---|---|", "$"]
)
def test_what_has_no_word_is_not_spoken(text: str) -> None:
    """A piece without a letter or a digit is silence, not a noise."""
    assert speakable(text) == ""


@given(texts, ANY_LANGUAGE)
@example("5️⃣", "en")
def test_the_text_is_clean_whatever_came(text: str, language: str) -> None:
    """The voice never gets markup, a control character, or whitespace but single spaces."""
    spoken = speakable(text, language)

    assert spoken == " ".join(spoken.split())
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in spoken)
    assert not MARKUP & set(spoken)
    assert spoken == "" or any(char.isalnum() for char in spoken)


@given(
    st.lists(st.sampled_from(["word", "Wort", "слово", "мир", "21", "3", "1984"]), min_size=1),
    ANY_LANGUAGE,
)
def test_what_has_words_is_never_silent(words: list[str], language: str) -> None:
    """Words and numbers are said, whatever is around them."""
    for text in (" ".join(words), f"**{' '.join(words)}**", "- " + ", ".join(words)):
        assert speakable(text, language)


words = st.from_regex(r"[a-zа-я]{2,9}[,;]?", fullmatch=True)


@given(
    st.lists(words.filter(lambda word: word.rstrip(",;") not in {"млн", "млрд"}), max_size=12),
    st.from_regex(r"[a-zа-я]{7,9}[.!?]", fullmatch=True),  # longer than any abbreviation
    st.sampled_from(["en", "ru", "de"]),
)
def test_plain_text_stays_as_it_is(beginning: list[str], end: str, language: str) -> None:
    """What is spoken already needs no change, so changing twice is changing once."""
    text = " ".join([*beginning, end])

    assert speakable(text, language) == text


@given(st.text(alphabet=st.characters(categories=["L"], max_codepoint=0x2FFF), min_size=1))
def test_letters_are_never_lost(text: str) -> None:
    """Words of any script come through as they are."""
    assert speakable(text, "en") == text


def test_hostile_marks_take_no_time() -> None:
    """Patterns that make regular expressions explode are cleaned at once."""
    for text in (
        *("*" * 1_500, "[" * 1_500, "_a" * 700, "<a" * 700, "~~a" * 500, "**a " * 400),
        *("1" * 1_500, "1," * 700, "1-" * 700, "1 " * 700, "a.b" * 500, "/a" * 700),
        *("+1 " * 500, "|" * 1_500, "a@" * 700, "$1" * 700, "т." * 700, " " * 1_500),
    ):
        for language in ("en", "ru"):
            assert len(speakable(text, language)) <= 40 * len(text)
