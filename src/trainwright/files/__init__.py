"""Files as they are written whole and read back: text, JSON, safetensors, and records that several packages read."""
