"""The trainer: loop, step, evaluation, saving, and what may watch them."""
