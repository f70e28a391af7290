"""Files -> one table of examples -> pixels and token ids; every reader, check and audit of the data."""

from typing import TYPE_CHECKING

from distune.utils.lazy import lazy_names

if TYPE_CHECKING:
    from distune.data.readers.read_table import read_table
    from distune.data.table import SPLITS, Table

__all__ = ["SPLITS", "Table", "read_table"]

# Prediction without torch needs pixels and token ids alone, and has none of the packages that read a data set.
__getattr__ = lazy_names(
    __name__,
    {
        "read_table": "distune.data.readers.read_table",
        "SPLITS": "distune.data.table",
        "Table": "distune.data.table",
    },
)
