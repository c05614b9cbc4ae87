from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from benchmarks import stt
from benchmarks.stt_figures import Row, bars, figures, void_reasons
from benchmarks.stt_manifest import errors, groups, normalised, read_manifest
from tests.services.stt.speech import RECORDINGS
from voicebus.errors import ConfigError

WAVS = Path(__file__).parents[1] / "services" / "stt" / "recordings"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A list of the project's own recordings, and one entry without words."""
    lines = ["file\tseconds\ttext"]
    for name, text in RECORDINGS.items():
        shutil.copy(WAVS / f"{name}.wav", tmp_path)
        lines.append(f'{name}.wav\t3\t"{text.capitalize()}.')
    lines.append("beep.wav\t0.2\t…")
    path = tmp_path / "own-en.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def row(variant: str, number: int, time_ms: float, **more: str | int) -> Row:
    """A recognition of one second in which ten words were said."""
    values = {"language": "en", "file": "a.wav", "errors": 0, "words": 10} | more
    fixed = {"variant": variant, "round": number, "seconds": 1.0, "cpu_ms": 2 * time_ms}
    return msgspec.convert({**fixed, "time_ms": time_ms, **values}, Row)


def run(ours: float = 250.0, again: float = 250.0, default: float = 1_000.0) -> list[Row]:
    """Rows of ten utterances in which each variant always takes its time."""
    return [
        row(variant, number, time_ms)
        for number in range(10)
        for variant, time_ms in (("ours", ours), ("again", again), ("default", default))
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Press 1, then “OK”.", "press 1 then ok"),
        ("Don’t — really?", "don't really"),
        ("Ещё раз: «решётку»!", "еще раз решетку"),
        ("…", ""),
    ],
)
def test_case_and_punctuation_do_not_count(text: str, plain: str) -> None:
    """Texts are compared by their words, in any script."""
    assert normalised(text) == plain


def test_wrong_missing_and_added_words_are_errors() -> None:
    """The rate is over the words that were said."""
    assert errors("One two three.", "one too three four") == (2, 3)
    assert errors("Один, два.", "") == (2, 2)


def test_a_list_is_read_with_its_language(manifest: Path) -> None:
    """The name of a list ends with its language; entries without words are left out."""
    found = read_manifest(manifest, manifest.parent, "", 0, 1)

    assert [spoken.file for spoken in found] == ["amiable.wav", "leisure.wav"]
    assert {spoken.language for spoken in found} == {"en"}
    assert [round(spoken.seconds) for spoken in found] == [3, 7]
    assert read_manifest(manifest, manifest.parent, "detect", 1, 1)[0].language == ""


def test_what_cannot_be_read_is_named(manifest: Path, tmp_path: Path) -> None:
    """A missing list, a wrong head line and a missing file are errors for a person."""
    other = tmp_path / "other.tsv"
    other.write_text("name\nx\n", encoding="utf-8")
    (tmp_path / "amiable.wav").unlink()

    for path in (tmp_path / "none.tsv", other, manifest):
        with pytest.raises(ConfigError):
            read_manifest(path, tmp_path, "", 0, 1)


def test_groups_use_each_utterance_once(manifest: Path) -> None:
    """What comes at once is drawn without replacement, the same for the same seed."""
    utterances = read_manifest(manifest, manifest.parent, "", 0, 1) * 5

    found = groups(utterances, 4, 9, 3)

    assert [len(group) for group in found] == [4, 4]
    assert found == groups(utterances, 4, 9, 3)


def test_the_ratio_is_of_medians_and_paired() -> None:
    """One slow utterance does not decide, and equal pairs give a narrow interval."""
    rows = run()
    rows[0] = row("ours", 0, 9_000)

    found = figures(rows, 1)

    assert found["stt_time_ratio"] == pytest.approx(0.25)
    assert found["stt_cpu_ratio"] == pytest.approx(0.25)
    assert found["stt_time_ratio_ci_high"] == pytest.approx(0.25, abs=0.01)
    assert found["default_rtf"] == pytest.approx(1.0)


def test_the_worst_language_decides_about_errors() -> None:
    """A gain in one language does not pay for a loss in another."""
    rows = [
        row("ours", 0, 1.0, errors=1),
        row("default", 0, 1.0, errors=0),
        row("ours", 1, 1.0, language="ru", errors=2),
        row("default", 1, 1.0, language="ru", errors=5),
    ]

    found = figures(rows, 1)

    assert found["stt_wer_en_delta"] == pytest.approx(10.0)
    assert found["stt_wer_ru_delta"] == pytest.approx(-30.0)
    assert found["stt_wer_delta"] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ([row("together", 0, 100), row("queue", 0, 400)], [True]),
        ([row("together", 0, 200), row("queue", 0, 400)], [False]),
        (run(), [True, True]),
        (run(ours=500.0, again=500.0), [False, True]),
    ],
)
def test_bars_hold_or_do_not(rows: Sequence[Row], holds: list[bool]) -> None:
    """A ratio may be at most its limit, a gain at least."""
    assert [bar.holds for bar in bars(figures(rows, 1))] == holds


def test_a_run_that_differs_from_itself_is_void() -> None:
    """If the same recognition takes another time, nothing is said about times."""
    assert void_reasons(run(), 0.0, 1) == []
    assert void_reasons(run(again=400.0), 0.0, 1)
    assert void_reasons(run(), 0.5, 1)


@pytest.mark.model
@pytest.mark.slow
def test_a_run_writes_figures_that_its_rows_give(manifest: Path) -> None:
    """Real recognition of real speech: a file from which the figures can be computed anew."""
    file = manifest.parent / "stt.json"
    options = ["--model", "whisper-tiny.en", "--paced", "1", "--json", str(file)]

    code = stt.main(["--manifest", str(manifest), "--root", str(manifest.parent), *options])

    written = msgspec.json.decode(file.read_bytes())
    rows = msgspec.convert(written["turns"], list[Row])
    assert code == 0
    assert [row.variant for row in rows].count("ours") == 2
    assert {row.variant for row in rows} == {"ours", "again", "default", "paced"}
    assert written["figures"] == figures(rows, written["seed"])
    assert written["figures"]["stt_wer_en_percent"] <= 10
    assert written["figures"]["stt_paced_wer_en_percent"] <= 15
    assert {bar["name"] for bar in written["bars"]} == {"stt_time_ratio", "stt_wer_delta"}


def test_a_run_that_cannot_start_writes_no_file(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that is not there is named, and no file is left."""
    file = manifest.parent / "stt.json"
    options = ["--engine", "none", "--json", str(file)]

    code = stt.main(["--manifest", str(manifest), "--root", str(manifest.parent), *options])

    assert code == 2
    assert "none" in capsys.readouterr().err
    assert not file.exists()
