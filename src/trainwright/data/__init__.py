"""Where rows come from, what their columns are, how they are split, and what is wrong with them."""
