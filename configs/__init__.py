"""Presets for --config, by the name of their file."""
