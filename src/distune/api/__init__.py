"""The public functions: each calls the one function that the command of the same name calls."""
