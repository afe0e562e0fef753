"""Samples made from samples: from a picture with noise on it, only where a mask says, or between two."""
