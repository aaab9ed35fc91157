"""One thin Typer command per DVC stage: parse, load, call, write."""
