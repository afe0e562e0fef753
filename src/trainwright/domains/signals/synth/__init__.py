"""Made recordings, written as real files. Imports no torch."""
