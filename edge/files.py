"""Files for browsers."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

_TEXTS: Final = {".js", ".css", ".html", ".svg"}
_ASIDE: Final = re.compile(rb"^[ \t]*(?://.*)?|[ \t]+// .*$", re.MULTILINE)
"""Indentation and comments of a script. Those who read the source need them, a browser does not;
the lines stay, so that it names the same numbers."""


def bare(script: bytes) -> bytes:
    """Return a script without its indentation and comments."""
    return _ASIDE.sub(b"", script)


class Files(StaticFiles):
    """Public files, which pages of any origin may load. Texts are compressed, once.

    A browser asks for them again each time: it must not mix those of two versions.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._compressed: dict[tuple[str, int], bytes] = {}
        for path in directory.iterdir():
            if path.suffix in _TEXTS:
                self._compress(str(path), path.stat().st_mtime_ns)

    def file_response(
        self,
        full_path: Any,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file, or that it has not changed."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        path, accepted = str(full_path), Headers(scope=scope).get("accept-encoding", "")
        is_whole = not isinstance(response, NotModifiedResponse)
        if Path(path).suffix in _TEXTS and is_whole and "gzip" in accepted:
            body = self._compress(path, stat_result.st_mtime_ns)
            kept = {name: response.headers[name] for name in ("content-type", "etag")}
            response = Response(body, status_code, {**kept, "content-encoding": "gzip"})
        response.headers["vary"] = "Accept-Encoding"
        response.headers["cache-control"] = "no-cache"
        response.headers["x-content-type-options"] = "nosniff"
        # A module is fetched by the rules of CORS, and a page may isolate itself from others.
        response.headers["access-control-allow-origin"] = "*"
        response.headers["cross-origin-resource-policy"] = "cross-origin"
        return response

    def _compress(self, path: str, version: int) -> bytes:
        key = (path, version)
        if key not in self._compressed:
            text = Path(path).read_bytes()
            plain = bare(text) if path.endswith(".js") else text
            self._compressed[key] = gzip.compress(plain, 9, mtime=0)
        return self._compressed[key]
