"""How far a mask can be trusted: features that need no truth, expected Dice, intervals, and what made it so."""
