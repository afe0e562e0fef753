"""Noise that follows from keys: of rows, of samples, and along a Brownian path."""
