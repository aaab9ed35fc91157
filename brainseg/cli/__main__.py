"""`python -m brainseg.cli` is `brainseg`."""

from brainseg.cli import app

app()
