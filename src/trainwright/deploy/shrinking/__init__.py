"""Units that change nothing, taken out of a network: smaller matrices, the same answers."""
