"""LOAD, STORE and WEIGHTS: what moves bytes between DRAM and chip."""
