"""Slurm: jobs written, submitted, waited for and shown. Everything is asked of Slurm's own programs. Imports no torch."""
