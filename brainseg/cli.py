"""The command line: a line here for each command, and a file in `commands` for each kind. Nothing heavy is imported."""

from __future__ import annotations

from brainseg.commands.browser import edit, view
from brainseg.commands.masks import collect, shape
from brainseg.commands.predict import predict
from brainseg.commands.root import app
from brainseg.commands.runs import compare
from brainseg.commands.verify import verify

COMMANDS = (predict, verify, view, edit, collect, compare, shape)
"""In the order of `brainseg --help`."""

for command in COMMANDS:
    app.command()(command)

if __name__ == "__main__":
    app()
