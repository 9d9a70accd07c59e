"""AXI: masters, the read arbiter, and the control slave."""
