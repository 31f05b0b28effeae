"""Recipes, sandboxes, provenance."""
