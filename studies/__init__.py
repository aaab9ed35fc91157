"""What was tried and what it was worth: many runs of the pipeline, gathered into committed tables."""
