"""What is done with any network beside training it: graph models from a config, inspection, gradient checks, recordings of its hooks."""
