"""Canaries: secrets and words that are put where a log might catch them, and must not be found."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from voicebus.keys import Allowance, new_key
from voicebus.redaction import Mask, MaskedFormatter, hide_words, own_secrets

ROOT = Path(__file__).parents[2]
KEY = new_key("canary", Allowance())[0]
SEED = "SU" + "AM" * 28
JWT = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"

SCRIPT = """
import logging
import structlog
from voicebus import log
from voicebus.settings import ProcessSettings
log.configure(ProcessSettings({settings}), "edge")
logger = structlog.get_logger()
key, words, sound = "{key}", "canary words", b"canary sound"
logger.info("client.came", authorization=f"Bearer {{key}}", text=words, pcm=sound, key=key)
logger.info("client.known", key="0123abcd", url=f"https://me:{{key}}@host/", other=[key])
logging.getLogger("uvicorn.error").warning("< Authorization: Bearer %s", key)
logging.getLogger("httpx2").warning("GET /?key=%s", key)
def failing(held, spoken):
    raise ValueError(f"refused for {{held}}")
try:
    failing(key, words)
except ValueError:
    logger.exception("client.failed")
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
logger.warning("llm.refused", reason="Incorrect API key provided: env-canary-secret")
"""


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_secret_and_no_word_is_in_a_log(form: str, level: str) -> None:
    """Fields, texts, tracebacks and other libraries' lines; the words not above debug."""
    settings = f"log_format='{form}', log_level='{level}'"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(settings=settings, key=KEY)],
        cwd=ROOT,
        env={"VOICEBUS_LLM_API_KEY": "env-canary-secret", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert KEY.split("_")[2] not in done.stdout + done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "0123abcd" in done.stderr
    assert "ValueError: refused for vb_" in done.stderr
    assert "Exception in ASGI application" in done.stderr
    assert "[12 long]" in done.stderr
    assert "[12 bytes]" in done.stderr


def test_a_command_says_no_secret_either() -> None:
    """What the library has to say while a command runs goes to a terminal, and into bug reports."""
    script = (
        "import structlog\nfrom voicebus import log\nlog.configure_quietly()\n"
        f"structlog.get_logger().warning('bus.error', error='no luck with {KEY}', text='canary')\n"
        "structlog.get_logger().info('bus.connected')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert "bus.error" in done.stderr
    assert "bus.connected" not in done.stderr
    assert KEY.split("_")[2] not in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        pytest.param(f"key {KEY}, please", f"key {KEY[:12]}[hidden], please", id="a new key"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer [hidden]"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic [hidden]"),
        (f"seed={SEED}", "seed=[hidden]"),
        (f"'{JWT}'", "'[hidden]'"),
        ("nats://user:pass@host:4222", "nats://user:[hidden]@host:4222"),
        ("to nats://t0ken@host:4222", "to nats://[hidden]@host:4222"),
        ("key sk-proj-abcdef123456", "key [hidden]"),
        ("api-key.ek_eyJrIjoiM2Y5.c2lnbmVk", "api-key.[hidden]"),
        (f"https://t/file/bot110201543:{'A' * 35}/v", "https://t/file/[hidden]/v"),
        ("a bearer of news", "a bearer of news"),
        ("ws://127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws"),
        ("SUMMARY of the task-force", "SUMMARY of the task-force"),
    ],
)
def test_a_secret_is_known_by_its_shape(line: str, hidden: str) -> None:
    """And what only looks a little like one stays."""
    assert Mask(()).text(line) == hidden


def test_the_secrets_of_the_environment_are_known_by_themselves() -> None:
    """Whatever they look like, and wherever they turn up."""
    environ = {
        "VOICEBUS_NATS_PASSWORD": "hunter22",
        "VOICEBUS_LLM_API_KEY": "hunter22-long",
        "SHORT_KEY": "abc",
        "VOICEBUS_CELL": "local-cell",
    }

    assert own_secrets(environ) == ("hunter22-long", "hunter22")
    assert Mask(own_secrets(environ)).text("abc local-cell hunter22-long hunter22!") == (
        "abc local-cell [hidden] [hidden]!"
    )


@pytest.mark.parametrize("name", ["text", "transcript", "reply", "instructions", "messages"])
def test_words_are_shown_at_debug_level_only(name: str) -> None:
    """There somebody asked for them."""
    assert hide_words(None, "debug", {name: "hello"}) == {name: "hello"}
    assert hide_words(None, "info", {name: "hello"}) == {name: "[5 long]"}
    assert hide_words(None, "info", {name: 7}) == {name: "[hidden]"}


@pytest.mark.parametrize("name", ["token", "password", "authorization", "api_key", "key"])
def test_secrets_are_not_shown_at_debug_level_either(name: str) -> None:
    """A debug log is sent to strangers, too."""
    assert hide_words(None, "debug", {name: "hello"}) == {name: "[hidden]"}


def test_a_librarys_line_is_masked_with_its_traceback() -> None:
    """The formatter of the root logger sees what propagates to it."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(MaskedFormatter(Mask(()), "%(name)s: %(message)s"))
    logger = logging.Logger("library")
    logger.addHandler(handler)
    try:
        raise ValueError(KEY)
    except ValueError:
        logger.exception("no luck with %s", KEY)

    assert KEY not in out.getvalue()
    assert out.getvalue().count("[hidden]") == 2
