"""The bundle that stands alone: export to ONNX, quantisation, and prediction without torch."""

import os

# Read when onnxruntime is imported, by modules of this package alone: newer versions have telemetry, which is on by
# default, with an id that they keep in the user's cache folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
