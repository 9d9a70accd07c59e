"""What boards carry, their packages, and the runtime of simulation and cards."""
