"""Small helpers without a domain: files in a room of their own, threads, seeds, numbers, text."""
