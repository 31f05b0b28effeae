"""Manifests, promotions, plans, the calendar."""
