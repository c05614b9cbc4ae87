"""Renders the chart with Helm itself, and judges what comes out by the schemas of Kubernetes.

Run by the Python that has Helm in it (tools.lock). Reads values from stdin, and writes one JSON
object: what Helm's linter says, the documents, and what the schemas of each version say about them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import yaml

VERSIONS = ("1.29", "1.37")
"""The oldest that the chart is for, and the newest whose schemas are here."""

FOREIGN: dict[str, Any] = json.loads(Path(__file__).with_name("foreign.json").read_text())
"""What the chart may write into kinds of KEDA and of the Prometheus operator, as their own
definitions have it: those fields that it uses, and no others.
"""


def main(chart_folder: str, release: str) -> dict[str, Any]:
    """Return all there is to say about a release of the chart with the values from stdin."""
    values = json.load(sys.stdin)
    lint = helm_python.lint(chart_folder, values, strict=True, namespace="talk")
    found: dict[str, Any] = {"lint": [entry for entry in lint["messages"] if entry["severity"] > 1]}
    try:
        with helm_python.Chart.load(chart_folder) as chart:
            chart.validate_schema(values)
            rendered = chart.render(values, name=release, namespace="talk")
    except helm_python.HelmError as err:
        return {**found, "refused": str(err), "documents": [], "wrong": []}
    documents = [
        document
        for path, text in sorted(rendered.items())
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
    wrong = [told for document in documents for told in _wrong(document)]
    return {**found, "refused": "", "documents": documents, "wrong": wrong, "notes": notes}


def _wrong(document: dict[str, Any]) -> list[str]:
    if document["kind"] in FOREIGN:
        validator = jsonschema.Draft202012Validator(FOREIGN[document["kind"]])
        return [
            f"{document['kind']} {err.json_path}: {err.message}"
            for err in validator.iter_errors(document)
        ]
    told = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            told.append(f"unknown {document['kind']}")
        except kubernetes_validate.ValidationError as err:
            told.append(f"{version} {document['kind']} {document['metadata']['name']}: {err}")
    return told


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
