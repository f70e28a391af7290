"""The coordinator: the loop that owns a study, and what it decides about every trial."""
