"""Image encoders, one family a file, and what each wants its pixels to be."""
