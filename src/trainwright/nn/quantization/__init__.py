"""Layers whose weights are rounded: while they are trained, or once for good."""
