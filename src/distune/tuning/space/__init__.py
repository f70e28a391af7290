"""The search space: which values a study may draw, and where it starts."""
