"""The graph of a network, with numbers or without (docs/network.md)."""
