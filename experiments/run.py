"""Trains teacher and student once: the same as `distune train`."""

from distune.cli import run_command

if __name__ == "__main__":
    run_command("train")
