"""Where workers live: local processes, or a Ray cluster; `distune.testing.simulated` has workers of virtual time."""
