"""Import contracts that import-linter lacks."""
