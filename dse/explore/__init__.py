"""The search for the overlay and the mapping of least latency."""
