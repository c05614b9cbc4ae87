"""Many callers at once: they send audio frames in time, and cost as little as can be."""
