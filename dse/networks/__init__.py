"""The benchmark networks, and models as workloads."""
