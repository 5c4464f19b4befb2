"""Grids of experiments: what is missing is run, what is there is compared."""
