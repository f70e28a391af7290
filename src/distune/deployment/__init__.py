"""The bundle that stands alone: export to ONNX, quantisation, and prediction without torch."""

import os

# Read when onnxruntime is imported, by modules of this package alone: newer versions tell their maker of every session,
# under an id that they keep in the user's cache folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
