"""From a trained model to what others use: exported, quantized, checked against the run, and served."""
