"""Small helpers without a domain: atomic files, threads, seeds, paths, text."""
