"""What a run writes: its folder, its results, its predictions, its checkpoints."""
