"""``python -m voicebus.probe PORT [PAGE]``: ask a process of this machine how it is.

For the health check of a container, which has no other program that could ask. Exit code 0 when
the page answers 200, else 1 with what it said.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence
from typing import Final

_WITHIN_S: Final = 4.0


def main(arguments: Sequence[str]) -> int:
    """Ask, and return the exit code.

    Args:
        arguments: The port, and the page where it is not ``readyz``.
    """
    port, page = int(arguments[0]), [*arguments[1:], "readyz"][0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WITHIN_S)
    try:
        connection.request("GET", f"/{page}")
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as err:
        print(f"nobody answers on port {port}: {err}")  # noqa: T201 - Docker keeps it
        return 1
    finally:
        connection.close()
    print(said)  # noqa: T201
    return 0 if answer.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
