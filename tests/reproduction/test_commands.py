"""`dvc repro`, `status`, `plots`, `diff`, `push` and `pull`, for real, in a scratch checkout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import STAGES, Checkout, change_params, outputs, stages_run
from tests.reproduction.conftest import MODELS, read_json, read_split

UP_TO_DATE = "Data and pipelines are up to date."


def test_a_second_run_runs_nothing(finished):
    log = finished.root / "logs" / "stages.csv"
    before = log.read_text()
    said = finished.dvc("repro")
    assert stages_run(said) == []
    assert UP_TO_DATE in said
    assert log.read_text() == before
    assert UP_TO_DATE in finished.dvc("status")


def test_everything_written_is_either_committed_or_ignored(finished):
    assert finished.git("status", "--short") == ""
    tracked = set(finished.git("ls-files").splitlines())
    for name in (name for stage in STAGES for name in outputs(stage)):
        assert (name in tracked) == name.startswith(("metrics/", "splits/")), name


CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"clahe": {"enabled": True}}, ["clahe", "train_unet", "train_unetpp", "postprocess", "radiogenomics", "evaluate"]),
    ({"unetpp": {"lr": 0.003}}, ["train_unetpp", "postprocess", "radiogenomics", "evaluate"]),
    ({"train": {"batch_size": 5}}, ["train_unet", "train_unetpp", "postprocess", "radiogenomics", "evaluate"]),
    ({"postprocess": {"tta": False}}, ["postprocess", "radiogenomics", "evaluate"]),
    ({"radiogenomics": {"bins": 12}}, ["radiogenomics", "evaluate"]),
    ({"evaluate": {"bootstrap": 300}}, ["evaluate"]),
    ({"seed": 7}, list(STAGES)),
]


@pytest.mark.parametrize(("changes", "expected"), CHANGES, ids=[next(iter(changes)) for changes, _ in CHANGES])
def test_a_changed_parameter_reruns_what_depends_on_it(changes, expected, copied):
    change_params(copied.root, changes)
    assert copied.planned() == expected


def test_the_code_is_the_same_with_any_of_these_parameters(copied):
    for changes, _ in CHANGES:
        change_params(copied.root, changes)
    said = copied.dvc("repro", "--dry", "--force-downstream")
    assert stages_run(said) == ["code", *STAGES]  # as long as it is not known what `code` writes
    assert stages_run(copied.dvc("repro", "code")) == ["code"]  # looks at all parameters
    assert copied.git("status", "--short", "digests") == ""
    assert stages_run(copied.dvc("repro", "--dry", "--force-downstream")) == list(STAGES)


def test_plots_are_drawn_from_what_the_stages_wrote(finished, tmp_path):
    shown = json.loads(finished.dvc("plots", "show", "--json", "--out", str(tmp_path)))
    assert not shown.get("errors")
    plots = {name: plot for name, (plot,) in shown["data"].items()}
    pictures = {f"reports/overlays/{which}.png" for which in ("best", "median", "worst")}
    for name in pictures:
        assert Path(plots.pop(name)["url"]).read_bytes() == (finished.root / name).read_bytes()
    points = {name: len(plot["content"]["data"]["values"]) for name, plot in plots.items()}
    curves = {name: points.pop(name) for name in ("Calibration", "Precision and recall")}
    assert all(count > len(MODELS) for count in curves.values())  # as many as there are probabilities
    assert points == {
        "Dice by patient": 2 * len(MODELS),
        "Slices with tumour, ensemble": len(read_split(finished).query("split == 'test'")),
        "Training loss": 8 + 16,  # epochs of both networks
        "Validation Dice": 8 + 16,
        "Dice against tumour size": 2 * len(MODELS),  # test patients
        "Slices by institution": 4 * 2,  # with and without tumour
        "metrics/history_unet.csv": 8,
        "metrics/history_unetpp.csv": 16,
    }


def test_plots_show_is_a_page_with_every_plot(finished, tmp_path):
    assert "index.html" in finished.dvc("plots", "show", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for title in ("Training loss", "Validation Dice", "Dice against tumour size", "Slices by institution"):
        assert f'<div id = "{title.replace(" ", "_")}">' in page
    for which in ("best", "median", "worst"):
        assert f"{which}.png" in page


def test_metrics_and_params_differ_in_words(copied):
    change_params(copied.root, {"evaluate": {"overlays": 3}})
    metrics = read_json(copied, "test")
    metrics["unet"]["volume"]["dice_mean"] += 0.125
    (copied.root / "metrics" / "test.json").write_text(json.dumps(metrics))
    (row,) = [line for line in copied.dvc("metrics", "diff", "--md").splitlines() if "unet." in line]
    assert [cell.strip() for cell in row.split("|")][1:3] == ["metrics/test.json", "unet.volume.dice_mean"]
    assert row.rstrip(" |").endswith("0.125")
    (row,) = [line for line in copied.dvc("params", "diff", "--md").splitlines() if "evaluate" in line]
    assert [cell.strip() for cell in row.split("|")][2:5] == ["evaluate.overlays", "2", "3"]


def test_pushed_cloned_and_pulled_nothing_is_left_to_run(finished, copied, tmp_path):
    store = str(tmp_path / "store")
    copied.dvc("remote", "add", "--local", "--default", "store", store)
    copied.dvc("push")
    clone = Checkout(tmp_path / "clone", tmp_path / "home-of-another")
    copied.git("clone", "--quiet", str(copied.root), str(clone.root))
    clone.dvc("remote", "add", "--local", "--default", "store", store)
    shutil.rmtree(copied.root)
    clone.dvc("pull")
    said = clone.dvc("repro")
    assert stages_run(said) == []
    assert UP_TO_DATE in said
    for name in (name for stage in STAGES for name in outputs(stage)):
        pairs = [(finished.root / name, clone.root / name)]
        if (finished.root / name).is_dir():
            pairs = [(p, clone.root / p.relative_to(finished.root)) for p in pairs[0][0].rglob("*") if p.is_file()]
        assert pairs
        for ours, theirs in pairs:
            assert ours.read_bytes() == theirs.read_bytes(), theirs
