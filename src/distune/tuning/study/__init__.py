"""The study and its storage."""
