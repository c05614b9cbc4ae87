"""Parts as child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.workers import until
from voicebus import supervisor
from voicebus.parts import free_port
from voicebus.supervisor import Part, PartFailed, Supervisor, UpSettings

SERVE = """
import http.server, signal, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
{before}
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", {port}), Ready).serve_forever()
"""


def part(name: str, before: str = "") -> Part:
    """A part that is ready as soon as it serves."""
    port = free_port()
    return Part(
        name=name,
        argv=[sys.executable, "-c", SERVE.format(before=before, port=port)],
        environment=dict(os.environ),
        ready_url=f"http://127.0.0.1:{port}/",
    )


class Told:
    """Takes what the supervisor tells people."""

    def __init__(self) -> None:
        self.ready: list[str] = []

    def __call__(self, ready: Part, seconds: float) -> None:
        """Note a part that is ready."""
        assert seconds > 0
        self.ready.append(ready.name)


@asynccontextmanager
async def supervised(
    folder: Path, told: Told
) -> AsyncIterator[tuple[Supervisor, asyncio.TaskGroup]]:
    """A supervisor whose parts are all gone afterwards."""
    keeper = Supervisor(folder, told)
    async with asyncio.TaskGroup() as group:
        try:
            yield keeper, group
        finally:
            await keeper.stop(list(keeper._running))


def pid_of(keeper: Supervisor, name: str) -> int:
    """A part's process."""
    return keeper._running[name].pid


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that ended counts as gone, whether or not its new parent has taken note.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_part_is_waited_for_and_ended(tmp_path: Path) -> None:
    """It is told when it answers, its output is in its log, and nothing of it is left."""
    told = Told()
    async with supervised(tmp_path, told) as (keeper, group):
        await (await keeper.start(group, part("one")))
        pid = pid_of(keeper, "one")
        assert keeper.readiness() == {"one": True}
        assert is_alive(pid)

    assert told.ready == ["one"]
    assert not is_alive(pid)
    assert (tmp_path / "one.log").read_text() == "serving\n"


async def test_a_part_that_does_not_come_up_shows_its_last_words(tmp_path: Path) -> None:
    """The error has the exit code, the log's path and its end, without what others wrote before."""
    (tmp_path / "broken.log").write_text("of yesterday\n")
    broken = part("broken", "sys.exit('the setting is wrong')")
    async with supervised(tmp_path, Told()) as (keeper, group):
        ready = await keeper.start(group, broken)
        with pytest.raises(PartFailed) as failure:
            await ready

    message = str(failure.value)
    assert "broken ended with code 1" in message
    assert "of yesterday" not in message
    assert "the setting is wrong" in message
    assert str(tmp_path / "broken.log") in message


async def test_a_part_that_never_gets_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that hangs at its start does not hang the rest."""
    monkeypatch.setattr(supervisor, "_READY_S", 0.5)
    hanging = part("hanging", "import time; print('loading', flush=True); time.sleep(60)")
    async with supervised(tmp_path, Told()) as (keeper, group):
        ready = await keeper.start(group, hanging)
        with pytest.raises(PartFailed, match="hanging"):
            await asyncio.wait_for(asyncio.shield(ready), 10)


async def test_parts_end_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    """The edge says goodbye before the bus goes."""
    order = tmp_path / "order"
    note = (
        "def stop(*_):\n    open({path!r}, 'a').write({name!r} + ' ')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)"
    )
    async with supervised(tmp_path, Told()) as (keeper, group):
        for name in ("nats", "edge", "stt"):
            await (await keeper.start(group, part(name, note.format(path=str(order), name=name))))
        await keeper.stop(["edge", "stt", "llama", "nats"])

    assert order.read_text() == "edge stt nats "


async def test_a_part_that_ignores_being_asked_is_killed(tmp_path: Path) -> None:
    """Ctrl-C ends everything, however stubborn; each part has the time that is its own."""
    made = part("stubborn", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    stubborn = msgspec.structs.replace(made, stop_s=0.3)
    async with supervised(tmp_path, Told()) as (keeper, group):
        await (await keeper.start(group, stubborn))
        pid = pid_of(keeper, "stubborn")
        await keeper.stop(["stubborn"])

    assert not is_alive(pid)
    assert made.stop_s == 10


async def test_a_part_that_takes_its_time_is_not_killed(tmp_path: Path) -> None:
    """What it does between being asked and its end is done."""
    note = tmp_path / "done"
    slow = part(
        "slow",
        f"""
import pathlib, time
def leave(*_):
    time.sleep(0.5)
    pathlib.Path({str(note)!r}).touch()
    sys.exit()
signal.signal(signal.SIGTERM, leave)
""",
    )
    async with supervised(tmp_path, Told()) as (keeper, group):
        await (await keeper.start(group, slow))
        await keeper.stop(["slow"])

    assert note.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own way is Linux's")
async def test_parts_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the supervisor leaves no process behind."""
    script = f"""
import asyncio, os, pathlib, sys
from voicebus.supervisor import Part, Supervisor
async def main():
    keeper = Supervisor(pathlib.Path({str(tmp_path)!r}), lambda *_: None)
    child = Part(name="child", argv=[sys.executable, "-c", "import time; time.sleep(60)"],
                 environment=dict(os.environ), ready_url="http://127.0.0.1:1/")
    async with asyncio.TaskGroup() as group:
        await keeper.start(group, child)
        while "child" not in keeper._running:
            await asyncio.sleep(0.01)
        print(keeper._running["child"].pid, flush=True)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await asyncio.wait_for(process.stdout.readline(), 20))
    assert is_alive(pid)
    process.kill()
    await process.wait()

    assert await until(lambda: not is_alive(pid)) < 5


def test_the_data_folder_is_the_users_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The setting, else the desktop's data folder, else the one below home."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert UpSettings().folder() == tmp_path / "voicebus"
    assert UpSettings(data_dir="~/x").folder() == Path.home() / "x"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert UpSettings().folder() == Path.home() / ".local" / "share" / "voicebus"


def renewable(name: str, before: str = "") -> Part:
    """A part that may run twice."""
    made = part(name, before)
    return msgspec.structs.replace(made, renewed=lambda: renewable(name))


async def test_a_restart_has_the_new_one_ready_before_the_old_one_ends(tmp_path: Path) -> None:
    """There is one of them at every moment, and one at the end."""
    told = Told()
    async with supervised(tmp_path, told) as (keeper, group):
        await (await keeper.start(group, renewable("one")))
        old = pid_of(keeper, "one")
        restarting = asyncio.create_task(keeper.restart("one"))
        while told.ready != ["one", "one"]:
            assert is_alive(old)
            await asyncio.sleep(0.01)
        await restarting
        new = pid_of(keeper, "one")

        assert not is_alive(old)
        assert is_alive(new)
        assert keeper.readiness() == {"one": True}
        await asyncio.sleep(1.0)
        assert told.ready == ["one", "one"]  # the old one is not started again


async def test_a_restart_that_is_cut_short_leaves_nobody_behind(tmp_path: Path) -> None:
    """Both end when everything does: the new one, and the one that was to go."""
    async with supervised(tmp_path, Told()) as (keeper, group):
        await (await keeper.start(group, renewable("worker")))
        old = pid_of(keeper, "worker")
        restarting = asyncio.create_task(keeper.restart("worker"))
        await until(lambda: pid_of(keeper, "worker") != old, 30.0)
        restarting.cancel()
        await asyncio.wait((restarting,))
        new = pid_of(keeper, "worker")
        assert is_alive(old)

    assert not is_alive(old)
    assert not is_alive(new)


async def test_a_restart_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """A setting that is wrong now must not take down what runs."""
    broken = part("one", "sys.exit('wrong')")
    sound = msgspec.structs.replace(part("one"), renewed=lambda: broken)
    async with supervised(tmp_path, Told()) as (keeper, group):
        await (await keeper.start(group, sound))
        old = pid_of(keeper, "one")
        with pytest.raises(PartFailed, match="wrong"):
            await keeper.restart("one")

        assert pid_of(keeper, "one") == old
        assert is_alive(old)
        assert keeper.readiness() == {"one": True}


async def test_a_part_with_a_known_address_ends_first(tmp_path: Path) -> None:
    """Two cannot listen on one port."""
    async with supervised(tmp_path, Told()) as (keeper, group):
        await (await keeper.start(group, part("one")))
        old = pid_of(keeper, "one")
        await keeper.restart("one")

        assert not is_alive(old)
        assert keeper.readiness() == {"one": True}


async def test_a_part_that_ends_in_good_order_is_not_started_again(tmp_path: Path) -> None:
    """A worker that was drained was meant to go."""
    leaving = part("one", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))")
    told = Told()
    async with supervised(tmp_path, told) as (keeper, group):
        await (await keeper.start(group, leaving))
        os.kill(pid_of(keeper, "one"), signal.SIGTERM)
        await until(lambda: keeper.readiness() == {}, limit_s=10)
        await asyncio.sleep(1.0)

    assert told.ready == ["one"]
