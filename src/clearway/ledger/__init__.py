"""The tamper-evident log of every fact."""
