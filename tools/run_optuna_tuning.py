"""Tunes teacher and student: the same as `distune tune`."""

from distune.cli import run_command

if __name__ == "__main__":
    run_command("tune")
