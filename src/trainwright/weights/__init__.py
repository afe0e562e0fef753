"""Weights: where they come from, which name is which, what is adapted to a model and what is left over, and other forms of them."""
