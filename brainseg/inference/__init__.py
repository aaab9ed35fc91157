"""From a trained network and a prepared volume to probabilities and masks."""
