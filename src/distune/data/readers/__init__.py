"""Readers: one module a file layout, all of them into one table of examples."""
