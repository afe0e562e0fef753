"""The run directory: its layout, lock, log, environment, results and report."""
