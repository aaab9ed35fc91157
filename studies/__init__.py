"""What was tried and what it was worth: many runs of the pipeline, gathered into the tables of studies/results."""
