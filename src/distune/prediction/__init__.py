"""A trained student on new inputs: prediction, and evaluation on data that it never saw."""
