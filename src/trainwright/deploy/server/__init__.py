"""A model behind HTTP: requests that are validated, limited and computed together, by one process without torch."""
