"""The golden and the functional model, and the simulations of the RTL."""
