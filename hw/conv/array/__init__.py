"""The systolic array: processing elements, column feet, edges with the corner turn, collector."""
