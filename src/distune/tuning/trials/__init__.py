"""What a worker runs: one trial, and the messages that it exchanges with the coordinator."""
