"""Workers: one package per stage, which meet on the bus only."""
