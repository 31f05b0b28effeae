"""Builds the system from settings; the only package that knows everyone, and nobody imports it."""
