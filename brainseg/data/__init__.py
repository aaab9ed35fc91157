"""What a case is, where cases come from, and who is in which split."""
