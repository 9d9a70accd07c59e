"""Pooling engine: maximum and average over any window, beside the array."""
