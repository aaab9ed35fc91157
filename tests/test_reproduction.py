"""`dvc repro` and its companions, for real, in scratch checkouts with synthetic patients.

One run serves the quick tests. The slow ones (marked so) run it again: twice, killed, as experiments.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import tifffile

from tests.pipeline import STAGES, Checkout, change_params, outputs, set_up

MODELS = ("unet", "unetpp", "ensemble")
UP_TO_DATE = "Data and pipelines are up to date."
INTERFACE = {
    "slice": {"dice", "iou", "precision", "recall", "n"},
    "volume": {
        "dice_mean", "dice_median", "dice_min", "dice_ci95_low", "dice_ci95_high", "iou_mean", "hd95_px_mean",
        "nsd_2px_mean", "n",
    },
    "empty_slices": {"false_positive_rate", "n"},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first `dvc repro`, results committed. Read it, do not change it."""
    checkout = set_up(tmp_path_factory.mktemp("finished"))
    said = checkout.dvc("repro")
    assert stages_run(said) == list(STAGES)
    checkout.commit("results")
    return checkout


@pytest.fixture
def copied(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of it, cache and history included, to change."""
    copy = Checkout(tmp_path / "checkout", tmp_path / "home")
    shutil.copytree(finished.root, copy.root)
    return copy


def stages_run(said: str) -> list[str]:
    """Stages that dvc says it runs, in order."""
    return re.findall(r"^Running stage '(\w+)':$", said, re.MULTILINE)


def read_json(checkout: Checkout, name: str) -> dict[str, Any]:
    return json.loads((checkout.root / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def read_split(checkout: Checkout) -> pd.DataFrame:
    return pd.read_csv(checkout.root / "splits" / "split.csv", dtype={"patient": str})


def raw_masks(checkout: Checkout) -> dict[str, dict[int, np.ndarray]]:
    """Masks of the raw tree by patient and slice number."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for path in (checkout.root / "data/raw/kaggle_3m").glob("*/*_mask.tif"):
        number = int(path.stem.removesuffix("_mask").rpartition("_")[2])
        found.setdefault(path.parent.name, {})[number] = tifffile.imread(path) > 0
    return found


def numbers_in(content: Any) -> Iterator[float]:
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from numbers_in(value)
    elif isinstance(content, int | float):
        yield content


def test_metrics_have_the_keys_that_others_read(finished):
    metrics = read_json(finished, "test")
    for model in MODELS:
        for part, keys in INTERFACE.items():
            assert keys <= set(metrics[model][part]), (model, part)
    assert metrics["leaky"] is False


def test_every_number_of_every_metrics_file_is_finite(finished):
    names = [path.stem for path in (finished.root / "metrics").glob("*.json")]
    assert set(names) == {
        "dataset",
        "paired",
        "radiogenomics",
        "skull_strip",
        "test",
        "train_unet",
        "train_unetpp",
        "val",
    }
    for name in names:
        found = list(numbers_in(read_json(finished, name)))
        assert found, name
        assert all(math.isfinite(number) for number in found), name


def test_the_dataset_is_counted_as_it_is_on_disk(finished):
    masks = raw_masks(finished)
    tumours = [mask.sum() for patient in masks.values() for mask in patient.values()]
    found = read_json(finished, "dataset")
    assert {key: found[key] for key in ("patients", "slices", "labeled", "tumour_px")} == {
        "patients": 8,
        "slices": len(tumours),
        "labeled": np.count_nonzero(tumours),
        "tumour_px": np.sum(tumours),
    }
    assert found["patients"] == sum(site["patients"] for site in found["institutions"].values())


def test_no_patient_is_on_two_sides_and_no_slice_is_left_out(finished):
    split = read_split(finished)
    assert split.groupby("patient")["split"].nunique().max() == 1
    assert split.groupby("split")["patient"].nunique().to_dict() == {"train": 4, "val": 2, "test": 2}
    expected = {(patient, number) for patient, slices in raw_masks(finished).items() for number in slices}
    assert set(zip(split["patient"], split["slice"], strict=True)) == expected
    assert len(split) == len(expected)


def test_the_table_of_patients_is_of_every_model_and_test_patient(finished):
    table = pd.read_csv(finished.root / "metrics" / "per_patient.csv")
    assert list(table.columns) == [
        "model", "patient", "dice", "iou", "precision", "recall", "hd95_px", "nsd_2px", "tumour_px", "predicted_px",
        "components", "missed_components", "predicted_components", "false_components",
    ]  # fmt: skip
    split = read_split(finished)
    tested = sorted(split.loc[split["split"] == "test", "patient"].unique())
    assert list(zip(table["model"], table["patient"], strict=True)) == [(m, p) for m in MODELS for p in tested]


def test_predictions_score_on_the_raw_masks_what_the_metrics_say(finished):
    masks = raw_masks(finished)
    table = pd.read_csv(finished.root / "metrics" / "per_patient.csv").set_index(["model", "patient"])
    for (model, patient), row in table.iterrows():
        with np.load(finished.root / "predictions" / model / f"{patient}.npz") as stored:
            predicted, numbers = stored["mask"], stored["slices"].tolist()
        truth = np.stack([masks[patient][number] for number in numbers])
        assert sorted(masks[patient]) == numbers
        both = np.count_nonzero(truth & predicted)
        assert row["dice"] == pytest.approx(2 * both / (truth.sum() + predicted.sum()), rel=1e-5)
        assert (row["tumour_px"], row["predicted_px"]) == (truth.sum(), predicted.sum())
    means = table["dice"].groupby("model").mean()
    metrics = read_json(finished, "test")
    assert {m: metrics[m]["volume"]["dice_mean"] for m in MODELS} == pytest.approx(means.to_dict(), abs=1e-5)


def test_something_was_learned(finished):
    # 0.8 where this was written; a mask of everything gives 0.02
    assert read_json(finished, "test")["unet"]["volume"]["dice_mean"] > 0.4
    history = pd.read_csv(finished.root / "metrics" / "history_unet.csv")
    assert list(history["epoch"]) == list(range(1, 9))
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]


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


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"clahe": {"enabled": True}},
            ["clahe", "train_unet", "train_unetpp", "postprocess", "radiogenomics", "evaluate"],
        ),
        ({"unetpp": {"lr": 0.003}}, ["train_unetpp", "postprocess", "radiogenomics", "evaluate"]),
        ({"train": {"batch_size": 5}}, ["train_unet", "train_unetpp", "postprocess", "radiogenomics", "evaluate"]),
        ({"postprocess": {"tta": False}}, ["postprocess", "radiogenomics", "evaluate"]),
        ({"radiogenomics": {"bins": 12}}, ["radiogenomics", "evaluate"]),
        ({"evaluate": {"bootstrap": 300}}, ["evaluate"]),
        ({"seed": 7}, list(STAGES)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_parameter_reruns_what_depends_on_it(changes, expected, copied):
    change_params(copied.root, changes)
    assert stages_run(copied.dvc("repro", "--dry", "--force-downstream")) == expected


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


@pytest.mark.slow
def test_two_runs_from_nothing_end_with_the_same_bytes(finished, tmp_path):
    again = set_up(tmp_path)
    again.dvc("repro")
    assert again.digests() == finished.digests()


@pytest.mark.slow
def test_killed_five_times_and_resumed_it_ends_with_the_same_bytes(finished, tmp_path):
    checkout = set_up(tmp_path)
    log = pd.read_csv(finished.root / "logs" / "stages.csv").set_index("stage")
    durations = pd.to_datetime(log["finished"]).diff().dt.total_seconds().fillna(1.0)
    moments = random.Random()  # other ones each time: the more often this runs, the more are tried
    for stage in sorted(moments.sample(STAGES, 5), key=STAGES.index):
        process = checkout.start("repro")
        reached = wait_for_stage(process, stage)
        time.sleep(moments.uniform(0, 0.8) * durations[reached])
        assert process.poll() is None, f"ended before it was killed in {reached}"
        kill(process)
    checkout.dvc("repro")
    assert checkout.digests() == finished.digests()


def wait_for_stage(process: subprocess.Popen[str], stage: str) -> str:
    """Read what dvc says until it runs `stage` or a later one; which."""
    assert process.stdout is not None
    for line in process.stdout:
        for found in stages_run(line):
            if STAGES.index(found) >= STAGES.index(stage):
                return found
    raise AssertionError(f"dvc ended and never ran {stage}")


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL dvc and the stage that it runs, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_training_killed_after_some_epochs_goes_on_from_there(finished, tmp_path):
    checkout = set_up(tmp_path)
    process = checkout.start("repro", "train_unetpp")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 5/"):
            kill(process)
            break
    assert list((checkout.root / "checkpoints" / "unetpp").glob("*.pt"))
    said = checkout.dvc("repro")
    assert re.search(r"continuing after epoch ([5-9]|1\d)\n", said)
    assert checkout.digests() == finished.digests()


@pytest.mark.slow
def test_an_experiment_with_clahe_reruns_what_follows_and_nothing_before(copied):
    said = copied.dvc("exp", "run", "--name", "plain", "--set-param", "clahe.enabled=true")
    assert stages_run(said) == ["clahe", "train_unet", "train_unetpp", "postprocess", "radiogenomics", "evaluate"]
    assert "dice" in copied.dvc("metrics", "diff", "--md")
    assert re.search(r"clahe.enabled *\| False *\| True", copied.dvc("params", "diff", "--md"))


@pytest.mark.slow
def test_queued_experiments_run_side_by_side(copied):
    copied.dvc("exp", "run", "--queue", "--set-param", "unet.lr=0.001,0.002")
    assert copied.dvc("queue", "status").count("Queued") == 2
    try:
        copied.dvc("queue", "start", "--jobs", "2")
        deadline = time.monotonic() + 300
        while re.search("Queued|Running", said := copied.dvc("queue", "status")):
            assert time.monotonic() < deadline, said
            time.sleep(3)
        assert said.count("Success") == 2, said
        shown = json.loads(copied.dvc("exp", "show", "--json", "--no-pager"))
        assert learning_rates(shown) == {0.001, 0.002}
    finally:
        end_processes_in(copied.root)


def learning_rates(shown: list[dict[str, Any]]) -> set[float]:
    """`unet.lr` of every finished experiment in `dvc exp show --json`."""
    experiments = [entry for revision in shown for entry in revision.get("experiments") or []]
    return {entry["revs"][-1]["data"]["params"]["params.yaml"]["data"]["unet"]["lr"] for entry in experiments}


def end_processes_in(folder: Path) -> None:
    """End what works in `folder`: the queue's workers wait for more for a while."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()
