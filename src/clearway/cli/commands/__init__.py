"""The commands; each module's `add` registers its own."""
