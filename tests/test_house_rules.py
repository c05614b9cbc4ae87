"""Rules of the project that no linter knows."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from subjects import asyncapi
from subjects.catalog import CATALOG
from voicebus import known, settings

ROOT = Path(__file__).parents[1]
PACKAGES = ("bridges", "edge", "schemas", "services", "subjects", "voicebus")
MAX_LINES = 300
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").rglob("*.lock"))
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
SUBJECT = re.compile(r"\bvb\.")
CONVENTION = re.compile(r"\bgen_ai\b")
CODE = {".py", ".js", ".json", ".yml", ".yaml", ".toml"}
OURS = ("*.py", "*.md", "*.conf", "*.toml", "*.html", "*.js", "*.css", "Makefile")
NOT_OURS = {".git", ".venv", "build", "dist", "var"}


def modules(*folders: str) -> list[Path]:
    """All Python files below these folders of the project."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def text(path: Path) -> str:
    """A file's text; the project is UTF-8 whatever the machine's locale is."""
    return path.read_text(encoding="utf-8")


def relative(path: Path) -> str:
    """A path as it is read in a failure."""
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """The top-level packages that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def docstrings(tree: ast.AST) -> set[int]:
    """Identities of the nodes that are docstrings or the texts under a field."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def expects_something(test: ast.AST) -> bool:
    """Whether a test can fail by itself: an assert, raises, fail, or a function named for it."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"pytest.raises", "pytest.fail"}:
                return True
            if called.rpartition(".")[2].startswith(("assert_", "expect_")):
                return True
    return False


def requirements_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a file."""
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            yield node


def shown_default(value: object) -> str:
    """A default as it is written into the environment."""
    written = str(value).lower() if isinstance(value, bool) else str(value)
    return f'"{written}"' if " " in written else written


@pytest.mark.parametrize("path", modules(*PACKAGES, "benchmarks", "deploy", "tests"), ids=relative)
def test_no_module_is_longer_than_300_lines(path: Path) -> None:
    """A module that needs more than 300 lines does more than one thing."""
    assert len(text(path).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=relative)
def test_every_module_and_package_says_what_it_is_for(path: Path) -> None:
    """Every module of the project begins with a docstring."""
    assert ast.get_docstring(ast.parse(text(path)))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_our_packages(package: str) -> None:
    """An installed distribution with a package of the same name would overwrite or hide ours."""
    owners = importlib.metadata.packages_distributions().get(package, [])

    assert set(owners) <= {PYPROJECT["project"]["name"]}


def test_subjects_are_written_in_subjects_only() -> None:
    """A subject written elsewhere could miss the table, its stream and its permissions."""
    others = [name for name in PACKAGES if name != "subjects"]

    written = [
        f"{relative(path)}:{node.lineno}"
        for path in modules(*others)
        for tree in [ast.parse(text(path))]
        for texts in [docstrings(tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in texts
        and SUBJECT.search(node.value)
    ]

    assert written == []


def test_conventions_for_generative_ai_stand_in_one_module() -> None:
    """They are still being developed: a name that changes is changed once."""
    there = ROOT / "voicebus" / "tracing" / "conventions.py"
    folders = (*PACKAGES, "benchmarks", "deploy", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    ours = [path for path in files if path.suffix in CODE and not NOT_OURS & set(path.parts)]

    assert CONVENTION.search(text(there))
    assert [relative(one) for one in ours if one != there and CONVENTION.search(text(one))] == []


def test_only_voicebus_imports_the_nats_client() -> None:
    """The client's traps are designed around in one place."""
    others = [name for name in PACKAGES if name != "voicebus"]

    importers = [
        relative(path) for path in modules(*others) if "nats" in imported(ast.parse(text(path)))
    ]

    assert importers == []


def test_no_test_is_without_an_expectation() -> None:
    """A test that expects nothing cannot fail."""
    hollow = [
        f"{relative(path)}::{test.name}"
        for path in modules("tests")
        for test in requirements_of(path)
        if not expects_something(test)
    ]

    assert hollow == []


def test_every_test_says_what_it_requires() -> None:
    """The docstring of a test is the requirement."""
    silent = [
        f"{relative(path)}::{test.name}"
        for path in modules("tests")
        for test in requirements_of(path)
        if not ast.get_docstring(test)
    ]

    assert silent == []


def test_every_test_folder_is_a_package() -> None:
    """A test folder that is no package would hide the project's package of the same name."""
    loose = [
        relative(path)
        for path in modules("tests")
        if path.name.startswith("test_") and not (path.parent / "__init__.py").exists()
    ]

    assert loose == []


def test_nothing_is_marked_as_unfinished() -> None:
    """What is not done is not in the project."""
    marked = [
        relative(path)
        for pattern in OURS
        for path in ROOT.rglob(pattern)
        if not NOT_OURS & set(path.relative_to(ROOT).parts) and UNFINISHED.search(text(path))
    ]

    assert marked == []


def test_the_asyncapi_document_is_up_to_date() -> None:
    """The committed document is what the table of subjects generates; else run `make docs`."""
    committed = text(ROOT / "docs" / "reference" / "asyncapi.yaml")

    assert committed == asyncapi.render().rstrip("\n") + "\n"


def test_the_architecture_page_shows_the_table_of_subjects() -> None:
    """Every message stands on the page with its subject and its stream."""
    rows = re.findall(
        r"^\| `(.+)` \| (.+) \| (.+) \|$",
        text(ROOT / "docs" / "architecture.md"),
        re.MULTILINE,
    )

    shown = {
        name: (subject, stream) for subject, names, stream in rows for name in names.split(", ")
    }

    assert shown == {
        kind.__name__: (
            route.pattern.replace("{", "<").replace("}", ">"),
            route.stream or "not recorded",
        )
        for kind, route in CATALOG.items()
    }


@pytest.mark.parametrize("lock", LOCKS, ids=relative)
def test_a_lock_names_hashes_and_no_address(lock: Path) -> None:
    """Where packages come from is the machine's choice; what they are is the lock's."""
    entries = re.split(r"\n(?=[a-z0-9])", text(lock))[1:]

    assert entries
    assert "://" not in text(lock)
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_example_environment_names_every_setting_with_its_default() -> None:
    """A setting that .env.example does not show is found by nobody; a stale one misleads."""
    shown = dict(
        re.findall(r"^#?(VOICEBUS_[A-Z_]+)=(.*)$", text(ROOT / ".env.example"), re.MULTILINE)
    )

    assert shown == {
        settings.variable(field, scope): shown_default(value)
        for kind, scope in known.every_setting()
        for field, value in msgspec.structs.asdict(kind()).items()
    }


def test_the_changelog_has_the_version_of_the_project() -> None:
    """The version in pyproject.toml has its heading in CHANGELOG.md."""
    changelog = text(ROOT / "CHANGELOG.md")

    assert f"## [{PYPROJECT['project']['version']}]" in changelog
