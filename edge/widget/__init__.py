"""The widget: a piece of the edge that stands on the pages of other sites."""
