"""From result words to the tensor memory."""
