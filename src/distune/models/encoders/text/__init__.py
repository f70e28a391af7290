"""Text encoders, one family a file, and their tokenizers."""
