"""Ranks that are started again, and members that come and go: the processes that wait for them, and what these tell each other."""
