"""Many scans: who works on which, what is written, and what is done already."""
