"""What the model is told of the conversation: bounded, and with a head that does not change."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from schemas.llm import Message

_BLOCK: Final = 8
"""Messages leave a chat that is too long in blocks, so that its head seldom changes."""

_SHARE: Final = 4
"""The results of a turn's calls get one part of the chat's length in so many."""

_REST: Final = " [the rest was left out]"


_SOON: Final = 3 / 4
_LEFT: Final = 1 / 2
_SHORT: Final = 1 / 4
"""Parts of a chat's length: from where on it is summed up, what is left of it then at most, and how
long a summary may be."""

_BEFORE: Final = "What was said before, in short (notes, not instructions):"


class Old(Struct, frozen=True):
    """The part of a chat that is to be summed up.

    Fields
        through: Number of the last turn in it.
        messages: What was said.
        summary: What was said before that, in short.
    """

    through: int
    messages: tuple[Message, ...]
    summary: str


class History:
    """System prompt and messages, oldest first.

    A prompt cache holds as long as the head stays byte-identical, so old messages are not dropped
    one by one: when the bound is reached, the older half goes at once. So does what was summed up,
    and its summary stands behind the instructions.
    """

    def __init__(self, instructions: str, max_chars: int, summary: str = "") -> None:
        self._system = Message(role="system", content=instructions)
        self._messages: list[Message] = []
        self._max_chars = max_chars
        self._greeted = False
        self._summary = self._bounded(summary)
        self._through = 0
        self._gone = 0
        self._ends: dict[int, int] = {}

    def user(self, text: str) -> None:
        """Add what the user said."""
        self._add("user", text)

    def retract(self, text: str) -> None:
        """Forget what the user said last: the model shall not hear of it again."""
        if not self._messages or self._messages[-1].role != "user":
            return
        before = self._messages.pop().content.removesuffix(text).rstrip()
        if before:
            self._messages.append(Message(role="user", content=before))

    def assistant(self, text: str) -> None:
        """Add what the assistant said; nothing, if it said nothing."""
        if text:
            self._add("assistant", text)

    def called(self, messages: tuple[Message, ...]) -> None:
        """Add what the assistant had done before it said something, and what came of it.

        The turn that asked for it is over, so long results are shortened: they would drive out what
        was said.
        """
        results = sum(message.role == "tool" for message in messages)
        most = self._max_chars // (_SHARE * max(1, results))
        self._messages.extend(_shortened(message, most) for message in messages)

    def greeted(self, text: str) -> None:
        """Tell the model what the assistant said before the user said anything.

        Chat templates want the user to speak first, so it becomes part of the instructions.
        """
        if text and not self._greeted:
            self._greeted = True
            content = f"{self._system.content}\n\nYou have greeted the user with: {text}"
            self._system = Message(role="system", content=content)

    def settle(self, turn: int) -> None:
        """Take note that a turn is over, and that all that is there now was said by then."""
        if self._messages and self._messages[-1].role == "assistant":
            self._ends[turn] = self._gone + len(self._messages)

    def old(self) -> Old | None:
        """Return what is to be summed up; None while there is room."""
        left = self._chars()
        if left <= self._max_chars * _SOON:
            return None
        turns = {end - self._gone: turn for turn, end in self._ends.items()}
        for end, message in enumerate(self._messages, 1):
            left -= len(message.content)
            if left <= self._max_chars * _LEFT and end in turns:
                return Old(turns[end], tuple(self._messages[:end]), self._summary)
        return None

    def has(self, turn: int) -> bool:
        """Whether a turn that is over is still told as it was."""
        return turn in self._ends

    def sum_up(self, summary: str, through: int) -> None:
        """Tell what was said up to a turn in short."""
        if through > self._through:
            self._through = through
            self._summary = self._bounded(summary)
            self._drop(self._ends.get(through, self._gone) - self._gone)

    def exchange(self, user: str, assistant: str) -> None:
        """Add what both said elsewhere, as far as they said anything."""
        if user:
            self.user(user)
        if user or not self.is_empty:
            self.assistant(assistant)
        else:
            self.greeted(assistant)

    def messages(self, unsaid: str = "") -> tuple[Message, ...]:
        """Return the chat for the model.

        Args:
            unsaid: What the user may be about to have said, behind all that was.
        """
        if not unsaid:
            return (self._head, *self._messages)
        if self._messages and self._messages[-1].role == "user":
            content = f"{self._messages[-1].content} {unsaid}"
            return (self._head, *self._messages[:-1], Message(role="user", content=content))
        return (self._head, *self._messages, Message(role="user", content=unsaid))

    @property
    def is_new(self) -> bool:
        """Whether nobody, the greeting included, has said anything yet."""
        return self.is_empty and not self._greeted

    @property
    def is_empty(self) -> bool:
        """Whether nobody has said anything yet."""
        return not self._messages

    def _add(self, role: str, text: str) -> None:
        if self._messages and self._messages[-1].role == role:
            # Chat templates want roles to alternate; an unanswered turn continues in the next.
            text = f"{self._messages.pop().content} {text}"
        self._messages.append(Message(role=role, content=text))
        # Chat templates also want a user to begin, so pairs go; the last one stays, however long.
        while self._chars() > self._max_chars and len(self._messages) > 2:
            half = (len(self._messages) // 2 + 1) // 2 * 2
            # A result without the wish that it is the result of is no chat.
            users = [n for n in range(half, len(self._messages)) if self._is_from_user(n)]
            if not users:
                return
            self._drop(users[0])

    def _drop(self, number: int) -> None:
        self._messages = self._messages[number:]
        self._gone += number
        self._ends = {turn: end for turn, end in self._ends.items() if end > self._gone}

    def _bounded(self, summary: str) -> str:
        return summary[: int(self._max_chars * _SHORT)]

    @property
    def _head(self) -> Message:
        if not self._summary:
            return self._system
        content = f"{self._system.content}\n\n{_BEFORE}\n{self._summary}"
        return replace(self._system, content=content)

    def _is_from_user(self, number: int) -> bool:
        return self._messages[number].role == "user"

    def _chars(self) -> int:
        return len(self._summary) + sum(len(message.content) for message in self._messages)


def _shortened(message: Message, most: int) -> Message:
    if message.role != "tool" or len(message.content) <= most + len(_REST):
        return message
    return replace(message, content=f"{message.content[:most]}{_REST}")


def bounded(chat: tuple[Message, ...], instructions: str, max_chars: int) -> tuple[Message, ...]:
    """Return a chat as the model is asked it: with a system prompt, and its newest messages.

    The head stays what it is until a whole block of messages goes: a prompt cache holds meanwhile.
    A chat begins with a user's message, and never with the result of a call that is gone.

    Args:
        chat: What the client keeps.
        instructions: The system prompt of a chat that has none.
        max_chars: How much of the rest is kept; the last message is, however long.
    """
    has_head = chat[0].role == "system"
    head = chat[0] if has_head else Message(role="system", content=instructions)
    rest = chat[1:] if has_head else chat
    first = 0
    while first < len(rest) - 1 and sum(len(m.content) for m in rest[first:]) > max_chars:
        first = min(first + _BLOCK, len(rest) - 1)
    while 0 < first < len(rest) - 1 and rest[first].role != "user":
        first += 1
    return (head, *rest[first:])
