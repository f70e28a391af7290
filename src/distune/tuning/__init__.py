"""The study engine: search space, study, coordinator and executors."""
