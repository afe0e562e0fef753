"""What is found in recordings of the body: peaks, rates, quality, variability. Imports no torch."""
