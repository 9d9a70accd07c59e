"""Boards of Xilinx as platforms of Amaranth, in the conventions of amaranth-boards."""
