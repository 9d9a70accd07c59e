"""Benchmarks of the simulations; their figures stand in docs/benchmarks.md."""
