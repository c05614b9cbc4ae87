"""Settings of the supervisor."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SCOPE: Final = "SUPERVISOR_"


class SupervisorSettings(Struct, frozen=True, kw_only=True):
    """How the supervisor learns who died.

    Fields
        system_user: User of the server's own account, which tells of connections that end. Without
            one the dead are known by their silence, 6 s later.
        system_password: The user's password.
        system_nkey_file: File with the user's seed, in place of both.
    """

    system_user: str = ""
    system_password: str = ""
    system_nkey_file: str = ""

    @property
    def has_system(self) -> bool:
        """Whether there is such a user."""
        return bool(self.system_user or self.system_nkey_file)
