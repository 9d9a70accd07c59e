"""The benchmark networks, as outlines."""
