"""Example hosts: they load a compiled program and run it on a card."""
