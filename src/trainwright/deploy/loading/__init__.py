"""What is copied beside an artifact, for whoever has no Trainwright; each file stands alone."""
