"""Runs of a system of one's own from a configuration with `system:`."""
