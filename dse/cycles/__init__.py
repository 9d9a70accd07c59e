"""A cycle-exact model of the overlay's control, in spans of cycles that all go alike."""
