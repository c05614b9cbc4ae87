"""A frame is taken as it comes, and not when the task that reads it is awake.

To wake a task costs about as much as to hand a frame of live audio to the bus, and there are fifty
of them per caller and second. So the way of such a frame is begun where its bytes arrive, on behalf
of the reader. Nearly always that is all there is to do. Where something has to be waited for, the
frame goes to the reader after all, which does the rest.

The server offers this as an extension of ASGI, so a server that does not is none the worse.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import Any, Final

EXTENSION: Final = "voicebus.ahead"
"""Name in an ASGI scope's extensions; ``begin`` there is the reader's :meth:`Ahead.begin`."""

Taking = Coroutine[Any, Any, None]


class Ahead:
    """Takes frames for a reader, which makes this, in its own task.

    Args:
        take: Takes a frame, whoever awaits it.
    """

    def __init__(self, take: Callable[[bytes], Taking]) -> None:
        task = asyncio.current_task()
        assert task is not None, "whoever reads is a task"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._take = take
        self._begun: Taking | None = None
        self._waits_for: Any = None
        self._error: BaseException | None = None

    def begin(self, frame: bytes) -> bool:
        """Take a frame as far as nothing has to be waited for. Called from the loop, by no task.

        The reader must wait for a frame, and none be on its way to it.

        Returns:
            Whether it was taken. If not, it must be given to the reader: for :meth:`go_on`.
        """
        taking = self._take(frame)
        # What it does is done by the reader: timeouts ask for the task, logs for the context.
        asyncio._enter_task(self._loop, self._task)
        try:
            self._waits_for = self._context.run(taking.send, None)
        except StopIteration:
            return True
        except (Exception, asyncio.CancelledError) as err:
            self._error = err
        finally:
            asyncio._leave_task(self._loop, self._task)
        self._begun = taking
        return False

    async def go_on(self) -> bool:
        """Do the rest of what was begun; return whether there was anything.

        Raises:
            Exception: What taking the frame raised.
        """
        begun, self._begun = self._begun, None
        if begun is None:
            return False
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # or it refers to itself by its traceback
        await _rest(begun, self._waits_for)
        return True

    def close(self) -> None:
        """The reader ends: nobody goes on with what was begun.

        It is cancelled as the reader was, since locks hand on what they have promised only then.
        """
        begun, self._begun = self._begun, None
        if begun is not None and self._error is None:
            with suppress(StopIteration, asyncio.CancelledError):
                begun.throw(asyncio.CancelledError())
            begun.close()
        # It is referred to by the frames of the reader's error, and refers to nothing that is.
        del self._task, self._take, self._context


@types.coroutine
def _rest(taking: Taking, waits_for: Any) -> Generator[Any]:
    """Wait for what a coroutine waits for, and do the rest of it."""
    while True:
        try:
            yield waits_for
        except BaseException as err:
            step = partial(taking.throw, err)
        else:
            step = partial(taking.send, None)
        try:
            waits_for = step()
        except StopIteration:
            return
