"""The sections of the report, one module each: a function from findings to a section."""
