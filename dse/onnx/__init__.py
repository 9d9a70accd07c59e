"""From ONNX models to networks (docs/network.md)."""
