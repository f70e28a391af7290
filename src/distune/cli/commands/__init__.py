"""One module a command, or a few that belong together; what they share lies beside this folder."""
