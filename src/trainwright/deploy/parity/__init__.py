"""The proof beside an artifact: what it answers to rows of the run, against what the run's model answers."""
