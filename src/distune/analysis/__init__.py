"""Numbers about runs and studies, read from run folders and studies only."""
