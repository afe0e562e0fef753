"""The picture of a model, drawn from the record of an inspection; no model and no torch is needed."""
