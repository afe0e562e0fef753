"""The record of an inspection (`model.json`): plain data, written by who looked at the model and read by who shows it."""
