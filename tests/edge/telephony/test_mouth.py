"""What is said to a caller, and when: at the pace of speech, hardly ahead of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.telephony.comfort import comfort_noise
from edge.telephony.mouth import LEAD_BEATS, Mouth
from schemas.event import Event
from schemas.session import PlaybackEnded, Played
from voicebus.audio.codec import Coding, Sound

PCM = Sound(Coding.PCM, 8_000)
MU = Sound(Coding.MU)
FRAME = 320
BEAT_S = 0.02


class Called:
    """A mouth on its beats, and an exchange that plays what it gets."""

    def __init__(self, mouth: Mouth) -> None:
        self.mouth = mouth
        self.beat = 100
        self.sent: list[tuple[int, bytes]] = []
        self.marks: list[str] = []
        self.told: list[Event] = []
        self.until = 0
        self.ahead = 0

    @property
    def now_s(self) -> float:
        """The time."""
        return self.beat * BEAT_S

    def go(self, beats: int = 1, late: int = 0) -> None:
        """Let time pass; ``late`` beats are left out before."""
        self.beat += late
        for _ in range(beats):
            self.beat += 1
            said = self.mouth.beat(self.beat, self.now_s)
            for audio in said.audio:
                self.sent.append((self.beat, audio))
                self.until = max(self.until, self.beat) + 1
                self.ahead = max(self.ahead, self.until - self.beat)
            self.marks += said.marks
            self.told += self.mouth.settle(self.now_s)

    def say(self, ms: int, turn: int = 1) -> None:
        """A turn with so much audio."""
        self.mouth.begin(turn, self.now_s)
        self.mouth.open(turn, 8_000)
        self.mouth.say(np.full(8 * ms, 1_000, np.int16).tobytes())
        self.mouth.complete(turn)


def test_audio_goes_out_on_the_beat_and_sixty_ms_ahead() -> None:
    """Three frames at once, then one on each beat, and none behind the end."""
    line = Called(Mouth(PCM))
    line.say(200)
    line.go(20)

    assert [beat - 101 for beat, _ in line.sent] == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert {len(audio) for _, audio in line.sent} == {FRAME}
    assert line.ahead == LEAD_BEATS
    (ended,) = [event for event in line.told if isinstance(event, PlaybackEnded)]
    assert (ended.turn, ended.played_ms) == (1, 200)


def test_the_last_frame_is_filled_up() -> None:
    """With silence, which does not count as said."""
    line = Called(Mouth(PCM))
    line.say(30)
    line.go(10)

    assert len(line.sent) == 2
    assert line.sent[1][1][160:] == bytes(160)
    assert [event.played_ms for event in line.told if isinstance(event, PlaybackEnded)] == [30]


def test_a_loop_that_was_late_does_not_run_ahead_to_make_up_for_it() -> None:
    """The exchange was silent meanwhile: the rest goes out at the old pace."""
    line = Called(Mouth(PCM))
    line.say(1_000)
    line.go(5)
    line.go(60, late=10)

    assert len(line.sent) == 50
    assert line.ahead == LEAD_BEATS


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20), st.integers(1, 400)), max_size=8))
def test_it_is_never_further_ahead_and_loses_nothing(
    steps: list[tuple[int, int, int]],
) -> None:
    """However audio comes and time passes."""
    line = Called(Mouth(PCM))
    line.mouth.begin(1, line.now_s)
    line.mouth.open(1, 8_000)
    said = 0
    for beats, late, ms in steps:
        line.mouth.say(np.full(8 * ms, 7, np.int16).tobytes())
        said += 16 * ms
        line.go(beats, late)
    line.mouth.complete(1)
    line.go(400)

    heard = b"".join(audio for _, audio in line.sent)
    assert line.ahead <= LEAD_BEATS
    assert heard[:said] == np.full(said // 2, 7, np.int16).tobytes()
    assert not any(heard[said:])


def test_a_reply_that_was_dropped_is_silent_at_once() -> None:
    """And what was heard of it is what the exchange had time to play."""
    line = Called(Mouth(PCM))
    line.say(2_000)
    line.go(25)
    line.mouth.drop(1, line.now_s)
    sent = len(line.sent)
    line.go(20)

    assert len(line.sent) == sent
    (ended,) = [event for event in line.told if isinstance(event, PlaybackEnded)]
    assert 440 <= ended.played_ms <= 560
    assert ended.estimated


def test_marks_tell_what_was_heard() -> None:
    """Every 200 ms and at the end; from then on the exchange's word counts, with its delay."""
    line = Called(Mouth(MU))
    line.say(2_000)
    line.go(25)
    assert line.marks[:2] == ["1-200", "1-400"]
    line.mouth.reached("1-400", line.now_s)
    line.go(1)
    assert [event.played_ms for event in line.told if isinstance(event, Played)] == [400]
    line.mouth.drop(1, line.now_s)
    line.go(1)

    (ended,) = [event for event in line.told if isinstance(event, PlaybackEnded)]
    assert not ended.estimated
    assert 400 <= ended.played_ms <= 440


def test_marks_of_others_mean_nothing() -> None:
    """Whatever they are called."""
    line = Called(Mouth(MU))
    line.say(400)
    line.go(5)
    for mark in ("", "x", "1", "-", "9-100", "1--5", "1-" + "9" * 40, "²-1", "1-1.5"):
        line.mouth.reached(mark, line.now_s)
    line.go(40)

    assert [type(event) for event in line.told] == [PlaybackEnded]


def test_a_paused_reply_waits_and_goes_on_where_it_was() -> None:
    """Nothing of it is lost or said twice."""
    line = Called(Mouth(PCM))
    line.say(400)
    line.go(5)
    line.mouth.pause(1, line.now_s)
    before = len(line.sent)
    line.go(30)
    assert len(line.sent) == before
    line.mouth.resume(1, line.now_s)
    line.go(40)

    assert len(line.sent) == 20


def test_a_line_that_needs_it_is_never_without_sound() -> None:
    """Noise one frame ahead while nothing is said, and speech within a beat."""
    line = Called(Mouth(PCM, comfort=comfort_noise(PCM, -60.0)))
    line.go(50)
    assert len(line.sent) == 50
    assert len({audio for _, audio in line.sent}) > 40
    line.say(100)
    line.go(1)

    assert np.frombuffer(line.sent[-1][1], np.int16).max() == 1_000


def test_an_exchange_that_can_take_nothing_gets_nothing() -> None:
    """Until it says so."""
    line = Called(Mouth(PCM))
    line.say(400)
    line.mouth.throttle(line.now_s)
    line.go(20)
    assert line.sent == []
    line.mouth.unthrottle(line.now_s)
    line.go(40)

    assert len(line.sent) == 20


def test_long_frames_follow_each_other_without_a_gap() -> None:
    """A carrier that wants 100 ms gets the next one a beat before it is needed."""
    line = Called(Mouth(PCM, frame_ms=100))
    line.say(500)
    line.go(40)

    assert [beat - 101 for beat, _ in line.sent] == [0, 4, 9, 14, 19]
    assert {len(audio) for _, audio in line.sent} == {5 * FRAME}


def test_two_turns_follow_each_other() -> None:
    """The second one's audio waits for the first one's."""
    line = Called(Mouth(PCM))
    line.say(100, turn=1)
    line.say(100, turn=2)
    line.go(30)

    ended = [event for event in line.told if isinstance(event, PlaybackEnded)]
    assert [(event.turn, event.played_ms) for event in ended] == [(1, 100), (2, 100)]


def test_comfort_noise_is_as_loud_as_it_is_to_be() -> None:
    """And below 16 bits it is silence."""
    for dbfs in (-40.0, -60.0):
        samples = PCM.samples(comfort_noise(PCM, dbfs)).astype(np.float64)
        loudness = 20 * np.log10(np.sqrt(np.mean(samples**2)) / 32_768)
        assert abs(loudness - dbfs) < 1
    assert not any(comfort_noise(PCM, -96.0))
