"""Results of expensive pure steps, kept by the hash of everything that they depend on.

An entry is a folder `<root>/<step>/<hash>/` of arrays and a manifest. It is written to a temporary folder
and renamed, so it exists whole or not at all, and is read as memory maps.
"""

from distune.store.entry import Entry
from distune.store.listing import KINDS
from distune.store.manifest import key_of
from distune.store.store import Store, cache_folder

__all__ = ["KINDS", "Entry", "Store", "cache_folder", "key_of"]
