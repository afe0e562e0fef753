"""The processes of a run: who they are, and how they decide together."""
