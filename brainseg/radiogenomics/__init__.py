"""From masks to genomics: the shape features that the data was made for."""
