"""Files -> one table of examples -> pixels; every reader, check and audit of the data."""

from distune.data.ragged import Ragged
from distune.data.readers.read_table import read_table
from distune.data.table import SPLITS, Table, Task

__all__ = ["SPLITS", "Ragged", "Table", "Task", "read_table"]
