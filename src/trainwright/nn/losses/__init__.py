"""Where losses were before they had a room of their own, `trainwright.losses`; known for one more release."""
