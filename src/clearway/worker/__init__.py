"""Runs flows and chores."""
