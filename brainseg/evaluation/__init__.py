"""How good the masks are, with what certainty, and what they look like."""
