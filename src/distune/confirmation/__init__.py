"""Confirmation: the best trials trained again over several seeds, and judged once on the test split."""
