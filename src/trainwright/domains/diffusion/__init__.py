"""Diffusion: networks trained to remove noise, and samples drawn with them."""
