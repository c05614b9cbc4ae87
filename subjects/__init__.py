"""Where each message travels: the one table message <-> subject <-> stream."""
