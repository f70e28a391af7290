"""Distune: distil an image + text teacher into a small student, tune both, and prove the gain."""

__version__ = "0.1.0"
