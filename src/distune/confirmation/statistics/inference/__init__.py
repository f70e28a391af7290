"""Intervals, tests, power and probabilities."""
