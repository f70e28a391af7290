"""The teacher: its training, and whether it has something to teach."""
