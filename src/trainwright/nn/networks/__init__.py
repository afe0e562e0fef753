"""Blocks that encoders, combiners and decoders are made of."""
