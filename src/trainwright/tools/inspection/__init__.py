"""What a model is made of: its layers, their shapes, sizes and cost, and how data flow through them. Imports no torch by itself."""
