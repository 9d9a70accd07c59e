"""What an exploration is worth: beside other mappings, below its roofs, and over time."""
