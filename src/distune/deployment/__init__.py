"""The bundle that stands alone: export to ONNX, quantisation, and prediction without torch."""
