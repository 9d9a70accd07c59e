"""Exact integer Winograd convolution F(m x m, 3 x 3): matrices, input and output transform."""
