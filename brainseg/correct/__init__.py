"""A person's corrections: what they change now, and what they teach later."""
