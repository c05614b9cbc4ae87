"""Settings of the widget: ``VOICEBUS_EDGE_WIDGET_…``."""

from __future__ import annotations

from msgspec import Struct

SCOPE = "EDGE_WIDGET_"


class WidgetSettings(Struct, frozen=True, kw_only=True):
    """Whose pages may have the widget.

    Fields
        sites_file: TOML file with the sites; empty: there are none. A change of it counts within a
            second.
        demo: Serve a page with two widgets at /widget/demo. Who can open it can talk, without a
            key.
    """

    sites_file: str = ""
    demo: bool = False

    @property
    def is_on(self) -> bool:
        """Whether there is anything to serve."""
        return bool(self.sites_file) or self.demo
