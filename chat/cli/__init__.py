"""The command line: options and commands. A module behind a command is imported when the command runs."""
