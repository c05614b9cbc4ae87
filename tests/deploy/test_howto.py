"""docs/howto/deploy.md names what there is."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml

from tests.deploy.images import shipped
from tests.deploy.pods import CHART
from tests.deploy.stage import ROOT
from tests.deploy.test_compose import COMPOSE, PROFILES
from tests.deploy.units import FOLDER
from voicebus import known, settings
from voicebus.cli.main import main

PAGE = (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"\bvoicebus (?:auth|config|keys) [a-z-]+", PAGE)))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def test_every_unit_is_there() -> None:
    """Those that are enabled, restarted, or left out."""
    named = set(
        re.findall(r"\bvoicebus-[a-z]+(?:-[a-z]+)*(?:@[a-z0-9]*)?(?=[\s`,.)]|$)", PAGE, re.M)
    )
    units = {re.sub(r"@.*", "@", name) for name in named if not name.startswith("voicebus-users")}
    there = {path.name.removesuffix(".service") for path in FOLDER.glob("*.service")}

    assert len(units) > 8
    assert units - {"voicebus-keys"} <= there


def test_every_file_is_there() -> None:
    """Those that are copied; some an operator makes."""
    own = {"deploy/.env", "deploy/vosk", "deploy/xtts", "deploy/providers"}
    named = set(re.findall(r"\bdeploy/[\w./*-]+", PAGE)) - own

    assert len(named) > 6
    assert [path for path in named if not list(ROOT.glob(path))] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It explains itself."""
    with pytest.raises(SystemExit) as end:
        main([*shlex.split(command)[1:], "--help"])

    assert end.value.code == 0
    assert len(COMMANDS) > 5
    assert capsys.readouterr().out


def test_every_profile_image_and_setting_is_there() -> None:
    """Names of compose, of the Dockerfile and of the environment."""
    variables = {
        settings.variable(field, scope)
        for kind, scope in known.every_setting()
        for field in kind.__struct_fields__
    }
    listed = re.search(r"for image in (.+); do", PAGE)

    assert set(re.findall(r"--profile (\w+)", PAGE)) <= PROFILES
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == PROFILES
    assert listed is not None
    assert set(listed[1].split()) == set(shipped())
    assert set(re.findall(r"\bVOICEBUS_[A-Z_]+\b", PAGE)) <= variables
    assert COMPOSE["name"] == "voicebus"


def test_every_value_of_the_chart_is_there() -> None:
    """A path of values.yaml, or one that its schema allows below a role."""
    words = {word for code in re.findall(r"`([^`\n]+)`|--set (.+)", PAGE) for word in code}
    tops = "|".join(VALUES)
    paths = {
        path for word in words for path in re.findall(rf"(?<![\w/])((?:{tops})\.[\w.]+)", word)
    }
    named = {path for path in paths if not path.endswith((".md", ".json"))}
    optional = {"image", "env", "nodeSelector", "secretEnv"}

    def is_there(path: str) -> bool:
        here: Any = VALUES
        for word in path.split("."):
            if word in optional or word.startswith("VOICEBUS_"):
                return True
            if word not in here:
                return False
            here = here[word]
        return True

    assert len(named) > 15
    assert [path for path in named if not is_there(path)] == []
