"""The language model: what is asked, and the words that come back."""

from __future__ import annotations

from msgspec import Struct

from schemas.event import Event


class ToolCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function that the model wants to be called, or a piece of that wish as it is written.

    Fields
        index: Which of the reply's calls it is, from 0.
        id: By what its result is known; in pieces, only the first one has it.
        name: The function; in pieces, only the first one has it.
        arguments: What to call it with: the JSON text that the model wrote, which need not be
            valid; in pieces, what follows the former one's.
    """

    index: int = 0
    id: str = ""
    name: str = ""
    arguments: str = ""


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a chat, as the OpenAI chat API defines it.

    Fields
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: Its text.
        tool_calls: The functions that the assistant wanted to be called.
        tool_call_id: Of a tool's message: which call it is the result of.
        name: Who speaks, where several have the same role.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


class Tool(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function that the model may ask to be called.

    Fields
        name: Its name.
        description: What it is good for, for the model.
        parameters: What it takes: a JSON schema, as the client wrote it.
        strict: Whether the arguments must fit the schema.
    """

    name: str
    description: str = ""
    parameters: str = ""
    strict: bool = False


class Sampling(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the model chooses its words, as the OpenAI chat API defines it; None for its default.

    Fields
        top_p: Share of the probability that is drawn from.
        frequency_penalty: Against words that were used often.
        presence_penalty: Against words that were used at all.
        seed: Makes the same of the same, where the model can.
        stop: Texts in front of which the reply ends.
    """

    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Round(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which part of a reply is asked for, where functions are called in between.

    Fields
        number: From 0; each round but the last ends with calls.
        deltas: How many :class:`TokenDelta` the reply has from former rounds.
        clauses: How many :class:`ClauseReady` with words.
        text: What it has said in them.
    """

    number: int = 0
    deltas: int = 0
    clauses: int = 0
    text: str = ""


class GenerateRequest(Event, frozen=True, kw_only=True, tag="llm.request"):
    """Job: answer this turn. Carries all that is needed; the worker keeps no session state.

    Where the last message is the assistant's, the reply goes on behind its words.

    Fields
        messages: The whole chat, oldest first. Heads stay byte-identical from turn to turn, so
            that a prompt cache holds.
        model: Model name; empty for the worker's default.
        max_tokens: Upper bound of the reply; 0 for the worker's default.
        temperature: Sampling temperature; negative for the worker's default.
        speculative: True when the turn may turn out not to be over: nothing with a side effect
            may be done for it.
        resumed: True when the turn began at another edge: what was written there is told again.
        spoken: Whether the reply is to be spoken: it comes in clauses, too, and one without words
            is a failure.
        sampling: How the words are chosen.
        tools: Functions that the model may ask to be called.
        tool_choice: ``none``, ``auto`` or ``required``; empty for the model's default.
        tool_name: The one function that must be called; empty for any.
        parallel_tool_calls: Whether it may ask for several at once; None for its default.
        response_format: What the reply must be: the object of that name of the OpenAI chat API, in
            JSON; empty for text.
        round: Which part of the reply is asked for, where the fleet calls the functions; None where
            whoever asks does.
    """

    messages: tuple[Message, ...]
    model: str = ""
    max_tokens: int = 0
    temperature: float = -1.0
    speculative: bool = False
    resumed: bool = False
    spoken: bool = True
    sampling: Sampling = Sampling()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    tool_name: str = ""
    parallel_tool_calls: bool | None = None
    response_format: str = ""
    round: Round | None = None


class TokenDelta(Event, frozen=True, kw_only=True, tag="llm.delta"):
    """Text of the reply as it is generated, joined over at most 30 ms.

    Fields
        text: The piece; concatenated in ``seq`` order they are the reply.
        tokens: How many pieces of the upstream it joins.
        tool_calls: Pieces of calls that came behind the text.
        anew: True where the reply begins anew with this piece: it takes the place of all the words
            before it, of which none was spoken but those of former rounds, which it repeats.
    """

    text: str
    tokens: int = 1
    tool_calls: tuple[ToolCall, ...] = ()
    anew: bool = False

    def behind(self, told: str) -> str:
        """Return the reply with this piece, from what was told of it before."""
        return self.text if self.anew else told + self.text


class ClauseReady(Event, frozen=True, kw_only=True, tag="llm.clause"):
    """A piece of the reply that can be spoken. ``seq`` is its index in the turn.

    Comes behind the :class:`TokenDelta` with its last words: whoever finds a clause in the log
    finds its text there, too.

    Fields
        text: Speakable text; empty only in the last one.
        last: True when nothing follows in this turn.
    """

    text: str
    last: bool = False


class GenerationDone(Event, frozen=True, kw_only=True, tag="llm.done"):
    """The reply is complete.

    Fields
        text: The whole reply.
        model: The model that wrote it.
        ttft_ms: From the claim of the job to the first token.
        duration_ms: From the claim of the job to the last token.
        tokens: Number of pieces that the upstream streamed.
        finish_reason: As the upstream said it: ``stop``, ``length``, ``tool_calls`` … ``cut`` where
            the worker that wrote the reply was lost and nobody could go on with it.
        synthetic: True when no real engine was asked.
        prompt_tokens: Tokens of the request, as the upstream counted them; 0 when it did not say.
        provider: Who wrote it, or its end, by the name that the worker has for it.
        failovers: How many other providers had failed before.
    """

    text: str
    model: str = ""
    ttft_ms: float = 0.0
    duration_ms: float = 0.0
    tokens: int = 0
    finish_reason: str = ""
    synthetic: bool = False
    prompt_tokens: int = 0
    provider: str = ""
    failovers: int = 0


class SummariseRequest(Event, frozen=True, kw_only=True, tag="llm.summarise"):
    """Job: say in short what was said. Nobody waits for it: the conversation goes on meanwhile.

    Fields
        messages: The older part of the chat, oldest first, without the system prompt.
        summary: What was said before that, in short; empty where nothing was.
        through: Number of the last turn in it.
        model: Model name; empty for the worker's default.
    """

    messages: tuple[Message, ...]
    summary: str = ""
    through: int = 0
    model: str = ""


class SummaryMade(Event, frozen=True, kw_only=True, tag="llm.summary"):
    """What was said up to a turn, in short. It takes the place of that part of the chat.

    Fields
        text: The summary; empty where there is none.
        through: Number of the last turn in it.
        error: Why there is none: the stable name of an error. The chat stays as it is.
        model: The model that wrote it.
    """

    text: str = ""
    through: int = 0
    error: str = ""
    model: str = ""
