"""The report: one HTML page that shows a run, drawn from the files of its directory and from nothing else."""
