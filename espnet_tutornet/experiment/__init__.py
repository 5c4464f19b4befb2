"""Methods and runs of an experiment, and the tables of their results."""
