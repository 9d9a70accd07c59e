"""Command lines of the runtime for cards: they run a compiled program on a batch of images."""
