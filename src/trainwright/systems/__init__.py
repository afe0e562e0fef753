"""What is trained: modules, losses, metrics, and what a step means."""
