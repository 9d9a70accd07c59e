"""CONV: activations in, waves through the array, results out."""
