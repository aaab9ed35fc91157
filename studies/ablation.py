"""One change at a time, at a small budget, measured on validation patients.

`python -m studies.ablation run` makes the rows of ablation.yaml that docs/ablation.json lacks, each a `dvc exp run`;
`python -m studies.ablation table` writes docs/ablation.md from docs/ablation.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from brainseg.files import write_json

ROWS = Path(__file__).with_name("ablation.yaml")
RESULTS = Path("docs/ablation.json")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def command(row: dict[str, Any], budget: dict[str, Any]) -> list[str]:
    """The `dvc exp run` line of a row."""
    settings = budget | row.get("set", {})
    sets = [part for key, value in settings.items() for part in ("-S", f"{key}={json.dumps(value).replace(' ', '')}")]
    return ["dvc", "exp", "run", "--temp", *sets, f"train_{row.get('network', 'unet')}"]


def measure(row: dict[str, Any], budget: dict[str, Any], threads: int) -> dict[str, Any]:
    """Run a row and read what its training wrote."""
    line = command(row, budget)
    name = f"ablation-{row['name']}"
    started = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "DVC_NO_ANALYTICS": "1"}
    log = Path("logs/ablation") / f"{row['name']}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as handle:
        done = subprocess.run(
            [*line[:4], "--force", "--name", name, *line[4:]], env=environment, stdout=handle, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise RuntimeError(f"{name} failed; see {log}")
    import dvc.api

    info = json.loads(dvc.api.read(f"trained/{row.get('network', 'unet')}.json", rev=name))
    training = info["training"]
    return {
        "name": row["name"],
        "command": " ".join(line),
        "val_dice": training["val_dice"],
        "val_dice_median": training["val_dice_median"],
        "best_epoch": training["best_epoch"],
        "train_slices": training["train_slices"],
        "seconds": round(time.monotonic() - started),
        "val_dice_by_patient": training["val_dice_by_patient"],
    }


@app.command()
def run(
    jobs: Annotated[int, typer.Option(help="Rows at a time.")] = 2,
    threads: Annotated[int, typer.Option(help="Threads of each.")] = 1,
    only: Annotated[str, typer.Option(help="Rows whose name starts so.")] = "",
) -> None:
    """Make the rows that docs/ablation.json lacks."""
    plan = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    todo = [row for row in plan["rows"] if row["name"] not in results and row["name"].startswith(only)]

    def one(row: dict[str, Any]) -> None:
        found = measure(row, plan["budget"], threads)
        results[row["name"]] = found
        write_json(RESULTS, results)
        typer.echo(f"{row['name']:30} {found['val_dice']:.4f} {found['val_dice_median']:.4f} {found['seconds']} s")

    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(one, row) for row in todo]:
            done.result()


if __name__ == "__main__":
    sys.exit(app())
