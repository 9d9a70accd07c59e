"""Networks, devices and published results, as JSON."""
