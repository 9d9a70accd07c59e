"""From a network to the program that the overlay executes (docs/program.md)."""
