"""Augmentation that the network is told of, so that nothing of it shows in samples. Imports no torch."""
