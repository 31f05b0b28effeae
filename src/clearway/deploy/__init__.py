"""Rollouts: strategies, targets, traffic, judges, going back. Knows no release."""
