"""The sequencer: tiles of a convolution become waves."""
