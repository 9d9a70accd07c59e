"""An overlay on its own: memory on chip, and a serial line to the host."""
