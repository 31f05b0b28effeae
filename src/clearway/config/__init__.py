"""Configuration in layers, secrets."""
