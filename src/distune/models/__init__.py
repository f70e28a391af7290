"""Models: encoders, fusions, and the classifier that joins them."""
