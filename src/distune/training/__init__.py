"""The one training loop, and the run: one teacher and one student from one config."""
