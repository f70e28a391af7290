"""What the trials show about the parameters."""
