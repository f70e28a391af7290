"""Studies of any origin as plain values."""
