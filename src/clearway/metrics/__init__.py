"""DORA figures and the value stream, each opening to the entries that made it."""
