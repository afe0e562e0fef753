"""The host's end of an exported model: rows as they come → the arrays that its graph takes, and what it gives → predictions.

All of it follows from the description that is kept in the model's file; neither torch nor the run that was exported is needed.
"""
