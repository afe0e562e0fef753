"""Saving: when a checkpoint is due, what a session gives to it, how it is written, and how a run goes on from one."""
