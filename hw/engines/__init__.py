"""Instruction flow: fetch, dependency tokens, and the engines that move data."""
