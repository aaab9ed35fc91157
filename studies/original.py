"""The recipe of the original text, whole, so that everybody sees what each of its ideas was worth.

Labelled slices only, split at random 0.7 / 0.15 / 0.15 (a leak: other slices of the tested patients are trained on),
skull stripping, CLAHE, the U-Net of Ronneberger et al. 2015 without pretraining, and U-Net++. All else is as ever.
`python -m studies.original run` trains and tests it as the experiment `original`; `python -m studies.original gather`
writes studies/results/original.json from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brainseg.errors import DataError
from brainseg.files import write_json
from studies.command import run_app

NAME, OUT = "original", Path("studies/results/original.json")
SETTINGS: dict[str, Any] = {
    "filter_labeled.empty_per_labeled": 0.0,
    "split.by": "slice",
    "clahe.enabled": True,
    "unet.encoder": "plain",
    "unet.encoder_weights": "none",
    "unet.decoder_channels": [512, 256, 128, 64, 32],
}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def line() -> list[str]:
    """The `dvc exp run` line."""
    sets = [part for key, value in SETTINGS.items() for part in ("-S", f"{key}={json.dumps(value).replace(' ', '')}")]
    return ["dvc", "exp", "run", "--temp", "--name", NAME, *sets, "evaluate"]


@app.command()
def run() -> None:
    """Run the recipe (hours on two cores)."""
    done = subprocess.run([sys.executable, "-m", *line()], check=False)
    raise typer.Exit(done.returncode)


@app.command()
def gather(experiment: Annotated[str, typer.Option(help="Its name.")] = NAME) -> None:
    """Write the figures of the test.

    Raises:
        DataError: the experiment is not there, or is no run of this recipe.
    """
    import dvc.api

    try:
        test = json.loads(dvc.api.read("metrics/test.json", rev=experiment))
    except Exception as error:  # DVC and git have many kinds
        raise DataError(f"there is no experiment {experiment} ({error}); run python -m studies.original run.") from None
    if not test.pop("leaky"):
        raise DataError(f"{experiment} was split by patient; expected the recipe of the original text.")
    write_json(OUT, {"command": " ".join(line()), "leaky": True} | test)
    typer.echo(f"{OUT}: made from {experiment}")


if __name__ == "__main__":
    run_app(app)
