"""Confirmation: the best trials trained again over several seeds, and evaluated once on the test split."""
