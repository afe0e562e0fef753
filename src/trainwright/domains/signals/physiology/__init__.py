"""What is measured in recordings of the body: beats, intervals, their variability, entropies. Imports no torch."""
