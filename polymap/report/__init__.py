"""The report of an exploration as one self-contained HTML file."""
