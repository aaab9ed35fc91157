"""The network that takes clicks: what it sees, what it learns from, and how it answers."""
