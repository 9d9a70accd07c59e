"""Parts that several units use: queues, replay, tiles, windows, memories."""
