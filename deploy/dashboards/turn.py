"""One turn, stage by stage: which one makes answers late, and what it does with the time."""

from __future__ import annotations

from deploy.dashboards.panels import (
    Dashboard,
    Kind,
    Panel,
    Query,
    Row,
    Unit,
    mean,
    quantiles,
    rate,
    recorded,
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "voicebus-turn",
        "voicebus / 2 One turn",
        (
            Row("The waterfall", _waterfall()),
            Row("Hearing: hold and speech to text", _hearing()),
            Row("Deciding and writing: turn and language model", _writing()),
            Row("Speaking", _speaking()),
            Row("Being interrupted", _interrupted()),
        ),
    )


def _waterfall() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Median of each stage",
            about="hold: waiting to be sure that the caller has finished. The others work inside "
            "it as far as they can. One turn alone: voicebus trace SESSION.",
            queries=(Query("stage:voicebus_stage_seconds:p50_5m", "{{stage}}"),),
            unit=Unit.SECONDS,
            kind=Kind.BARS,
        ),
        Panel(
            title="Slow turns: p95 of each stage",
            about="What is much longer here than on the left is what makes some answers late.",
            queries=(Query("stage:voicebus_stage_seconds:p95_5m", "{{stage}}"),),
            unit=Unit.SECONDS,
            kind=Kind.BARS,
        ),
        Panel(
            title="Responses",
            about="How many answers took how long. Two bands are two kinds of turns.",
            queries=(
                Query(
                    "sum by (le) "
                    "(increase(voicebus_turn_response_seconds_bucket[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            unit=Unit.SECONDS,
            kind=Kind.HEAT,
        ),
        Panel(
            title="Mean of each stage, on top of each other",
            about="More than the response latency, as stages overlap. Its shape is what counts.",
            queries=(Query(mean("voicebus_stage_seconds", "stage"), "{{stage}}"),),
            unit=Unit.SECONDS,
            kind=Kind.STACK,
            width=24,
        ),
    )


def _hearing() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Hold",
            about="Silence after the last word until the turn is over: by nature the largest part.",
            queries=quantiles("voicebus_stt_hold_seconds", ""),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="From the end of a turn to its final",
            about="0 when the text was ready inside the hold.",
            queries=recorded("engine:voicebus_stt_final_seconds", "{{engine}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Wait for the engine",
            about="Other callers' work that was before. Grows with load: add an stt worker.",
            queries=quantiles("voicebus_stt_queue_seconds", "kind", "{{kind}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Time in the engine",
            about="By what was recognised: finals, partials, files.",
            queries=quantiles("voicebus_stt_compute_seconds", "kind", "{{kind}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Real-time factor of recognition",
            about="Time in the engine for a second of audio. At 1 one caller keeps it busy.",
            queries=quantiles("voicebus_stt_rtf_ratio", "kind", "{{kind}}"),
            unit=Unit.COUNT,
            bad=1,
        ),
        Panel(
            title="Recognised early",
            about="Finals begun inside the hold: used, or wasted because the caller went on.",
            queries=(Query(f"60 * {rate('voicebus_stt_early_total', 'outcome')}", "{{outcome}}"),),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Speech recognised",
            about="Seconds of speech a second, by engine.",
            queries=(Query(rate("voicebus_stt_audio_seconds_total", "engine"), "{{engine}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Texts that were not believed",
            about="again: recognised once more, as the first text was suspicious. dropped: nobody "
            "said it.",
            queries=(
                Query(f"60 * {rate('voicebus_stt_retries_total', 'reason')}", "again: {{reason}}"),
                Query(f"60 * {rate('voicebus_stt_hallucinations_total', '')}", "dropped"),
            ),
            unit=Unit.PER_MINUTE,
            width=24,
            only="noise, or words that are hard to understand",
        ),
    )


def _writing() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Decision",
            about="From the final to the jobs that answer it.",
            queries=quantiles("voicebus_turn_decision_seconds", ""),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Jobs' wait for a worker",
            about="More than some ms: the stage is full. See dashboard 3.",
            queries=(Query("role:voicebus_claim_wait_seconds:p95_5m", "{{role}} p95"),),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="First token",
            about="TTFT, from the claim on.",
            queries=recorded("engine:voicebus_llm_ttft_seconds", "{{engine}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Whole reply written",
            about="From the claim to the last token.",
            queries=quantiles("voicebus_llm_seconds", "model", "{{model}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Pace of a reply",
            about="Tokens a second behind the first one. People speak four words a second.",
            queries=quantiles("voicebus_llm_tokens_per_second", "model", "{{model}}"),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Tokens",
            about="Written a second, by model; also for replies that were left.",
            queries=(Query(rate("voicebus_llm_tokens_total", "model"), "{{model}}"),),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Answers begun before the turn was over",
            about="used: heard. wasted: the caller went on.",
            queries=(
                Query(f"60 * {rate('voicebus_speculations_total', 'outcome')}", "{{outcome}}"),
            ),
            unit=Unit.PER_MINUTE,
        ),
    )


def _speaking() -> tuple[Panel, ...]:
    return (
        Panel(
            title="First audible sound",
            about="TTFA, from the first clause on.",
            queries=recorded("engine:voicebus_tts_ttfa_seconds", "{{engine}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Real-time factor of speech",
            about="Time for a second of audio. At 1 replies break off.",
            queries=quantiles("voicebus_tts_rtf_ratio", "engine", "{{engine}}"),
            unit=Unit.COUNT,
            bad=1,
            width=6,
        ),
        Panel(
            title="Synthesis of a clause",
            about="Long clauses take longer; the first one should be short.",
            queries=quantiles("voicebus_tts_clause_seconds", "engine", "{{engine}}"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Audio spoken",
            about="Seconds of audio made a second.",
            queries=(Query(rate("voicebus_tts_audio_seconds_total", "engine"), "{{engine}}"),),
            unit=Unit.COUNT,
            width=6,
        ),
        Panel(
            title="Characters spoken",
            about="A second, as they were written: what providers of voices ask money for.",
            queries=(Query(rate("voicebus_tts_characters_total", "engine"), "{{engine}}"),),
            unit=Unit.PER_SECOND,
            width=12,
        ),
        Panel(
            title="Short phrases",
            about="said: known already, and not made. kept: made again, and kept for all workers.",
            queries=(
                Query(f"60 * {rate('voicebus_tts_phrases_total', 'outcome')}", "{{outcome}}"),
            ),
            unit=Unit.PER_MINUTE,
            width=12,
            only="a phrase that is said often",
        ),
    )


def _interrupted() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Replies that paused",
            about="confirmed: the caller had something to say. false: gone on with.",
            queries=(
                Query(f"60 * {rate('voicebus_interruptions_total', 'outcome')}", "{{outcome}}"),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Time to stop",
            about="From the first sample of who interrupts to the order to stop.",
            queries=quantiles("voicebus_barge_in_stop_seconds", "edge", "{{edge}}"),
            unit=Unit.SECONDS,
            only="an interruption",
        ),
        Panel(
            title="Heard part of replies",
            about="The mean, where the client tells how much it has played.",
            queries=(Query(mean("voicebus_reply_heard_ratio", ""), "heard"),),
            unit=Unit.RATIO,
        ),
        Panel(
            title="Tokens for nobody",
            about="Written for replies that were cancelled.",
            queries=(Query(rate("voicebus_llm_wasted_tokens_total", "reason"), "{{reason}}"),),
            unit=Unit.PER_SECOND,
            only="a reply that is cancelled",
        ),
        Panel(
            title="Audio for nobody",
            about="Seconds spoken a second for replies that were cancelled.",
            queries=(Query(rate("voicebus_tts_wasted_seconds_total", "reason"), "{{reason}}"),),
            unit=Unit.COUNT,
            only="a reply that is cancelled",
        ),
    )
