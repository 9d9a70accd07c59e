"""cocotb test benches; they run inside the simulator, see ``sim.cocotb_runner``."""
