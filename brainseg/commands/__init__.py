"""What the command line runs: a file for each kind of command, options and help included."""
