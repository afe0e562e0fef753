"""Reading pictures: from a reference to pixels."""
