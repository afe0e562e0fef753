"""Configuration: composed from files, variables and the command line, checked whole, and dumped so that it can be read again."""
