"""Scores of every contender, with their intervals: over cases, by subgroup, at operating points, of probabilities."""
