"""From one table to a first experiment: what its columns are, what fits the machine, and the config that follows."""
