"""Int8 ONNX files from float ones: which layers, by which ranges, how large the error, and which layer suffers."""
