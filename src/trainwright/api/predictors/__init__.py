"""What answers rows with a trained model: one protocol, one implementation for each kind of run, found in one table."""
