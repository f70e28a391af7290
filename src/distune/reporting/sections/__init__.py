"""The parts of the page, one function a section, in the order of `contents`."""
