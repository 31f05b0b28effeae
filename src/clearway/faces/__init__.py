"""Protocols that others speak to us."""
