"""Checkpoints: directories that are whole or not there, hashed, verified when read, kept by small policies."""
