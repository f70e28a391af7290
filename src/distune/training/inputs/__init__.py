"""What a model reads: images, tokens, and the features of frozen layers, computed once and stored."""
