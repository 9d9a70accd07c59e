"""Cycles of the overlay, equal to the RTL's."""
