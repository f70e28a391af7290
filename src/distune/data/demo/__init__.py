"""The demo sets, made on the spot from a seed."""
