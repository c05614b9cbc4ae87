"""The talk page in a real browser, against the real system."""

from __future__ import annotations

from pathlib import Path

import jiwer
import pytest

from tests.browser import browse
from tests.cutting import proxy
from tests.system import System
from tests.talk_page import NOTE_STATES, keep_screenshots

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(300)]

SAMPLE = Path(__file__).parents[2] / "examples" / "samples" / "austen-leisure.wav"
WORDS = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them"
)
MICROPHONE = (
    "--use-fake-ui-for-media-stream",
    f"--use-file-for-fake-audio-capture={SAMPLE}%noloop",
)


async def test_a_person_talks_on_the_page_and_is_answered(
    chromium: str, real_system: System, tmp_path: Path
) -> None:
    """A fake microphone speaks the sample: captions, a spoken answer, and its waterfall."""
    async with browse(chromium, tmp_path / "profile", *MICROPHONE) as page:
        await page.look("light", 900, 860)
        await page.goto(real_system.root + "/")
        await page.evaluate("document.getElementById('talk').click()")
        await page.until("document.querySelector('#pending .unstable')?.textContent", 30)
        await page.until("document.querySelector('.assistant')?.textContent.length > 3", 60)
        await page.until("voicebus.turns[0].playedMs > 300", 30)
        await page.until("document.querySelectorAll('.waterfall tbody tr').length === 5", 10)
        stages = await page.evaluate(
            "[...document.querySelectorAll('.waterfall tbody tr')].map((row) => row.innerText)"
        )
        heard = await page.evaluate("document.querySelector('.user').textContent")
        await page.until("voicebus.floor === 'listening' && voicebus.turns[0].outcome", 60)
        turn = await page.evaluate("voicebus.turns[0]")
        shown = await page.evaluate("document.querySelector('.assistant').textContent")
        await keep_screenshots(page, "talk")

    unmarked = jiwer.RemovePunctuation()  # type: ignore[no-untyped-call]
    plain = jiwer.Compose([jiwer.ToLowerCase(), unmarked])
    spoken = plain(heard).replace("mr ", "mister ")
    assert jiwer.wer(WORDS, spoken) <= 0.2, heard
    assert [row.split()[0] for row in stages] == ["hold", "stt", "llm", "tts", "edge"]
    assert turn["outcome"] == "completed"
    assert shown == turn["reply"].strip(), "all that was written was spoken"
    assert "".join("".join(one["text"].split()) for one in turn["spoken"]) == "".join(shown.split())
    assert page.complaints == []


async def test_a_person_talks_over_a_network_that_breaks(
    chromium: str, real_system: System, tmp_path: Path
) -> None:
    """Cut in the middle of the sentence and of the reply: nothing is missing or comes twice."""
    async with (
        proxy(real_system.root + "/") as standing,
        browse(chromium, tmp_path / "profile", *MICROPHONE) as page,
    ):
        await page.goto(standing.url)
        await page.evaluate(NOTE_STATES)
        await page.evaluate("document.getElementById('talk').click()")
        await page.until("document.querySelector('#pending .unstable')?.textContent", 30)
        standing.cut_all()
        await page.until("states.includes('away') && voicebus.state === 'ready'", 30)
        await page.until("voicebus.turns[0]?.playedMs > 300", 60)
        standing.cut_all()
        await page.until("voicebus.turns[0].outcome", 60)
        states = await page.evaluate("states")
        turn = await page.evaluate("voicebus.turns[0]")
        errors = await page.evaluate("voicebus.errors")

    unmarked = jiwer.RemovePunctuation()  # type: ignore[no-untyped-call]
    plain = jiwer.Compose([jiwer.ToLowerCase(), unmarked])
    assert states.count("away") == 2
    assert jiwer.wer(WORDS, plain(turn["text"]).replace("mr ", "mister ")) <= 0.2, turn["text"]
    assert (turn["outcome"], errors) == ("completed", [])
    spoken = "".join(one["text"] for one in turn["spoken"])
    assert "".join(spoken.split()) == "".join(turn["reply"].split())
    assert turn["playedMs"] == pytest.approx(1000 * turn["audioSeconds"], abs=1)
