"""The losses by name; a new one is a file here and a line in `distune.components`."""
