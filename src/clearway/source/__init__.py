"""Git history."""
