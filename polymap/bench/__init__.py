"""Measurements of the design-space exploration, each a command."""
