"""Cost model of a layer-pipelined accelerator: what a stage costs, and nothing about search."""
