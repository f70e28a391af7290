"""Where workers live: local processes, or a Ray cluster."""
