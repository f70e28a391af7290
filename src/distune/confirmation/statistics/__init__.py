"""The statistics of a confirmation, computed from its folder alone."""
