"""Losses of service: timeline, suspects, recovery, review, actions."""
