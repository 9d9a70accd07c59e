"""From the tensor memory to the words that enter the array."""
