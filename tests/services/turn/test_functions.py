"""The functions of servers, by the names that the model knows."""

from __future__ import annotations

from schemas.llm import Tool
from schemas.tool import ToolsKept
from services.turn.functions import of_server


def test_a_persona_has_the_functions_that_it_allows() -> None:
    """By names that language models take."""
    kept = ToolsKept(tools=(Tool(name="get.stock"), Tool(name="sell")), repeatable=("get.stock",))

    assert set(of_server("tea", kept, ("tea.*",))) == {"tea_get_stock", "tea_sell"}
    (only,) = of_server("tea", kept, ("tea.get.stock", "other.sell")).values()
    assert (only.name, only.repeatable, only.tool.name) == ("get.stock", True, "tea_get_stock")


def test_functions_of_one_name_are_numbered() -> None:
    """None goes for another: the house keeps its own, and long names may differ at their ends."""
    long = "x" * 80
    names = ("up", "a.b", "a_b", f"{long}1", f"{long}2")
    kept = ToolsKept(tools=tuple(Tool(name=name, description=name) for name in names))

    found = of_server("hang", kept, ("hang.*",), ("time", "hang_up"))
    assert {known: function.name for known, function in found.items()} == {
        "hang_up_2": "up",
        "hang_a_b": "a.b",
        "hang_a_b_2": "a_b",
        f"hang_{long}"[:64]: f"{long}1",
        f"hang_{long}"[:62] + "_2": f"{long}2",
    }
    assert all(f.tool.name == known and f.tool.description == f.name for known, f in found.items())
