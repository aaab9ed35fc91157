"""The command line: a file for each kind of command, and a line here for each. Nothing heavy is imported unasked."""

from brainseg.cli.browser import edit, view
from brainseg.cli.masks import collect, shape
from brainseg.cli.predict import predict
from brainseg.cli.root import app
from brainseg.cli.runs import compare
from brainseg.cli.verify import verify

__all__ = ["app"]

COMMANDS = (predict, verify, view, edit, collect, compare, shape)
"""In the order of `brainseg --help`."""

for command in COMMANDS:
    app.command()(command)
