"""Designs for Lattice ECP5, built by Yosys, nextpnr and Project Trellis from PyPI."""
