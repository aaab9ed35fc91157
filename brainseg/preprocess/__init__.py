"""From raw slices to network input: brain extraction and contrast equalisation."""
