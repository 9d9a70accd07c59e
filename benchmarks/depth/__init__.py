"""Logic between registers: the overlay mapped to cells block by block, and its chains."""
