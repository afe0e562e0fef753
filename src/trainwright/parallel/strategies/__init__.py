"""How a step runs over the processes of a run: one strategy a file."""
