"""A run on Ray: Ray Train starts and restarts its workers, each of which runs one rank in a process of its own."""
