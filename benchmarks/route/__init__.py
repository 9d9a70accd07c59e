"""An overlay placed and routed for a small device: a clock rate that somebody has measured."""
