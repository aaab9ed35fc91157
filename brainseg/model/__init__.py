"""Networks, their initial weights, losses, augmentation and the training loop."""
