"""Intervals, tests and power of scores and their pseudo-values; imports nothing of `statistics.scores`."""
