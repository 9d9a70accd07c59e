"""The harness of layer pipelines, in C++."""
