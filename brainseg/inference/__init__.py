"""From a trained network to tumour masks."""
