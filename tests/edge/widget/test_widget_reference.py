"""The widget's pages in docs say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from edge.widget.sites import Site, read_sites
from edge.widget.texts import read_texts

ROOT = Path(__file__).parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "widget.md").read_text(encoding="utf-8")
HOWTO = (ROOT / "docs" / "howto" / "widget.md").read_text(encoding="utf-8")
ELEMENT = (ROOT / "edge" / "widget" / "page" / "element.js").read_text(encoding="utf-8")
EVENTS = (ROOT / "edge" / "widget" / "page" / "events.js").read_text(encoding="utf-8")


def test_the_file_of_the_howto_is_a_file_of_sites(tmp_path: Path) -> None:
    """Whoever copies it has a site."""
    (block,) = re.findall(r"^```toml\n(.*?)^```$", HOWTO, re.MULTILINE | re.DOTALL)
    path = tmp_path / "sites.toml"
    path.write_text(block, encoding="utf-8")

    site = read_sites(path, read_texts()["en"].keys())["shop"]

    assert site.origins[0] == "https://shop.example"
    assert site.session.instructions


def test_every_setting_of_a_site_is_shown() -> None:
    """And the limits with their defaults."""
    shown = set(re.findall(r"^\| `(\w+)", REFERENCE, re.MULTILINE))
    rows = re.findall(r"^\| `(\w+_per_min|sessions)`.*?\| (\d+) \| (\d+) \|$", REFERENCE, re.M)
    visitor, everybody = (msgspec.structs.asdict(one) for one in Site(origins=("self",)).shares)

    assert set(Site.__struct_fields__) <= shown
    assert {name: (int(own), int(all_)) for name, own, all_ in rows} == {
        name: (visitor[name], everybody[name]) for name in visitor
    }


def test_every_method_attribute_and_event_is_shown() -> None:
    """What the page does not say is found by nobody."""
    public = ELEMENT[ELEMENT.index("for the page") : ELEMENT.index("- inside")]
    methods = re.findall(r"^  (?:async )?(?:get )?(\w+)\(", public, re.MULTILINE)
    attributes = set(re.findall(r'(?:get|has)Attribute\("(\w+)"\)', ELEMENT))
    events = set(re.findall(r'\["(\w+)", \{', EVENTS) + re.findall(r'#tell\("(\w+)"', ELEMENT))

    assert len(methods) > 10
    assert len(events) > 7
    for name in (*methods, *attributes, *events):
        assert re.search(rf"`{name}[`(]", REFERENCE), name
