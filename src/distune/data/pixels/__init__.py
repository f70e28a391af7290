"""Image files of any kind -> square pixels of 8 bits: their formats, depth, orientation and size."""
