"""What makes the files that the package ships: their training, their int8 graphs, their model card."""
