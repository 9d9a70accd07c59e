"""The host's part in a run: the same for a simulation and for every card."""
