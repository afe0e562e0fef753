"""What a simple model makes of the encoder's output: a linear probe, and the nearest training rows."""
