"""Scores of every contender: over cases, by subgroup, and at operating points."""
