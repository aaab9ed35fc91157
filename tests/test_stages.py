"""The nine commands, in this process on tiny synthetic patients: what they write, and how they refuse.

A refusal is exit status 2 and one message on stderr, without a traceback; the folder is left as it was.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import yaml

from tests.pipeline import PAGE, ROOT, SMALL, STAGES, change_params, merge, outputs, run_here, run_module

PATIENT = "PHANTOM_CS_0001_20000101"
SLICE = f"data/raw/kaggle_3m/{PATIENT}/{PATIENT}_4"
PROBLEM = "\n  - "  # how a DatasetError lists each of its problems


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all nine commands have run."""
    folder = tmp_path_factory.mktemp("finished")
    params = merge(yaml.safe_load((ROOT / "params.yaml").read_text()), SMALL)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in STAGES:
            assert run_module(stage) == 0, stage
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to spoil, and the working directory."""
    copy = tmp_path / "folder"
    shutil.copytree(finished, copy)
    monkeypatch.chdir(copy)
    return copy


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything below `folder`: bytes of files, None for folders."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def without_outputs(stage: str) -> None:
    """Remove what the stage wrote, as DVC does before it runs a stage."""
    for name in outputs(stage):
        path = Path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def require_refusal(stage: str, folder: Path, capsys: pytest.CaptureFixture[str], sentence: str) -> str:
    """Run the stage; it must refuse with `sentence` (a pattern) and touch nothing. Returns what it said."""
    without_outputs(stage)
    before = snapshot(folder)
    said = run_here(stage, capsys)
    assert said.status == 2, said
    assert re.fullmatch(r"error: [^\n]+(\n  - [^\n]+)*\n", said.err), said.err
    assert re.search(sentence, said.err), said.err
    assert "Traceback" not in said.out + said.err
    assert snapshot(folder) == before
    return said.err


def test_each_stage_writes_its_outputs_and_nothing_else(finished):
    written = {name for stage in STAGES for name in outputs(stage)}
    for path in (path for path in finished.rglob("*") if path.is_file()):
        names = {str(p) for p in (path.relative_to(finished), *path.relative_to(finished).parents)}
        assert names & (written | {"params.yaml", "logs/stages.csv"}), f"{path} is no output in dvc.yaml"
    for name in written:
        assert (finished / name).exists(), name
    assert not [path for path in finished.rglob(".*")]


def test_the_log_has_a_line_per_stage(finished):
    with (finished / "logs" / "stages.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(row["stage"] for row in rows) == STAGES
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["finished"])
        assert 0 <= float(row["seconds"]) < 600
        assert 20 < float(row["peak_mib"]) < 64_000


def test_the_same_command_writes_the_same_bytes(folder, capsys):
    for stage in STAGES:
        names = [name for name in outputs(stage) if name != PAGE]  # it says how long training took
        before = {name: snapshot_of(Path(name)) for name in names}
        without_outputs(stage)
        assert run_here(stage, capsys).status == 0
        assert {name: snapshot_of(Path(name)) for name in names} == before, stage


def snapshot_of(path: Path) -> dict[str, bytes | None] | bytes:
    return snapshot(path) if path.is_dir() else path.read_bytes()


def test_a_split_by_slice_marks_every_metric_it_leads_to(folder, capsys):
    change_params(folder, {"split": {"by": "slice"}})
    said = {stage: run_here(stage, capsys) for stage in STAGES[STAGES.index("split") :]}
    assert {run.status for run in said.values()} == {0}
    sides = pd.read_csv("splits/split.csv").groupby("patient")["split"].nunique()
    assert (sides > 1).any()
    for name in ("test", "train_unet", "train_unetpp", "val"):
        assert json.loads(Path(f"metrics/{name}.json").read_text())["leaky"] is True, name
    assert json.loads(Path("metrics/test.json").read_text())["split_by"] == "slice"
    for name in ("unet", "unetpp", "ensemble"):
        assert json.loads(Path(f"models/{name}.json").read_text())["metrics"]["validation"]["leaky"] is True
    assert "LEAKY" in said["split"].out
    assert said["evaluate"].out.count("LEAKY") == 2


def test_patients_may_be_named_by_numbers(folder, capsys):
    for index, old in enumerate(sorted(Path("data/raw/kaggle_3m").glob("PHANTOM*")), start=1):
        for path in list(old.iterdir()):
            path.rename(old / path.name.replace(old.name, f"{index:03d}"))
        old.rename(old.parent / f"{index:03d}")
    for stage in STAGES[1:]:
        without_outputs(stage)
        assert run_here(stage, capsys).status == 0, stage
    assert set(pd.read_csv("metrics/per_patient.csv", dtype=str)["patient"]) < {f"{n:03d}" for n in range(1, 9)}


def test_a_split_by_patient_marks_none(finished):
    for name in ("test", "train_unet", "train_unetpp", "val"):
        assert json.loads((finished / f"metrics/{name}.json").read_text())["leaky"] is False, name


@pytest.mark.parametrize("stage", STAGES)
def test_help_explains_arguments_and_parameters(stage, folder, capsys):
    before = snapshot(folder)
    said = run_here(stage, capsys, "--help")
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", said.out).split())
    assert (said.status, said.err) == (0, "")
    assert "--params" in text
    sections = yaml.safe_load(Path("params.yaml").read_text())
    for section, key in re.findall(r"`([a-z_]+)\.([a-z_]+)[:`]", text):
        assert key in sections[section], f"{section}.{key}"
    if stage in ("download", "filter_labeled", "skull_strip", "clahe", "split"):
        assert f"{stage}." in text
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "arguments", [(), ("data/stripped",), ("data/stripped", "out", "more"), ("data/stripped", "out", "--quick")]
)
def test_a_wrong_command_line_is_explained(arguments, folder, capsys):
    without_outputs("clahe")
    before = snapshot(folder)
    said = run_here("clahe", capsys, *(arguments or ("--params", "params.yaml")))
    assert said.status == 2
    assert "Usage: " in said.err
    assert "Traceback" not in said.err
    assert snapshot(folder) == before


def test_an_unknown_network_is_explained(folder, capsys):
    arguments = ("vnet", "data/clahe", "data/index.csv", "splits/split.csv", "trained/vnet.safetensors", "metrics")
    said = run_here("train_unet", capsys, *arguments)
    assert said.status == 2
    assert "unet" in said.err
    assert "vnet" in said.err


@dataclass(frozen=True)
class Mistake:
    """Something wrong that a stage has to refuse.

    Attributes:
        stage: who meets it.
        make: puts it into the working directory.
        sentence: a pattern of the message: what was found, and what to do.
    """

    stage: str
    make: Callable[[], object]
    sentence: str


def params(**changes: object) -> Callable[[], None]:
    """Change params.yaml."""
    return lambda: change_params(Path(), changes)


def write(name: str, content: str | bytes) -> Callable[[], int]:
    """Replace a file."""
    return lambda: Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def truncate(pattern: str) -> Callable[[], None]:
    """Cut the first file of that name in half."""

    def make() -> None:
        path = sorted(Path().glob(pattern))[0]
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return make


def remove(pattern: str) -> Callable[[], None]:
    """Remove the first file or folder of that name."""

    def make() -> None:
        path = sorted(Path().glob(pattern))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return make


def tif(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], None]:
    """Write a TIF with its pixels changed."""
    return lambda: tifffile.imwrite(name, change(tifffile.imread(name)))


def copy(source: str, target: str) -> Callable[[], object]:
    return lambda: shutil.copyfile(source, target)


def table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], None]:
    """Write a CSV with its rows or columns changed."""
    return lambda: change(pd.read_csv(name)).to_csv(name, index=False)


def zipped(names: dict[str, bytes], keep: float = 1.0) -> Callable[[], None]:
    """Make a.zip of `names` and ask for it; `keep` is the share of its bytes that arrive."""

    def make() -> None:
        with zipfile.ZipFile("a.zip", "w") as archive:
            for name, content in names.items():
                archive.writestr(name, content)
        Path("a.zip").write_bytes(Path("a.zip").read_bytes()[: int(Path("a.zip").stat().st_size * keep)])
        change_params(Path(), {"download": {"source": "archive", "path": "a.zip"}})

    return make


def local(source: str, path: str, *, folder: bool = False) -> Callable[[], None]:
    """Ask for an archive or a folder at `path`."""

    def make() -> None:
        if folder:
            Path(path).mkdir()
        change_params(Path(), {"download": {"source": source, "path": path}})

    return make


def published_patient_in_part() -> None:
    """A folder with one slice of a patient of whom the manifest knows more."""
    name = "TCGA_CS_4941_19960909"
    target = Path("external/kaggle_3m") / name
    target.mkdir(parents=True)
    for suffix in ("", "_mask"):
        shutil.copyfile(f"{SLICE}{suffix}.tif", target / f"{name}_1{suffix}.tif")
    change_params(Path(), {"download": {"source": "folder", "path": "external"}})


def edit_prediction(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Callable[[], None]:
    """Change the arrays of one test patient's prediction."""

    def make() -> None:
        path = sorted(Path("predictions/unet").glob("*.npz"))[0]
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        np.savez(path, **change(arrays))

    return make


def folder_instead_of(name: str) -> Callable[[], None]:
    """An empty folder where a file, or a full folder, is expected."""

    def make() -> None:
        remove(name)()
        Path(name).mkdir()

    return make


def file_instead_of(name: str) -> Callable[[], None]:
    def make() -> None:
        remove(name)()
        Path(name).touch()

    return make


def doubled(content: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([content, content])


def first_patient_only(content: pd.DataFrame) -> pd.DataFrame:
    return content[content["patient"] == content["patient"].iloc[0]]


def drop_a_test_patient(content: pd.DataFrame) -> pd.DataFrame:
    patient = content.loc[content["split"] == "test", "patient"].iloc[0]
    return content[content["patient"] != patient]


SLICES = {f"kaggle_3m/P/P_{n}{suffix}.tif": bytes(2000) for n in range(1, 4) for suffix in ("", "_mask")}
MISTAKES = {
    # parameters
    "params missing": Mistake("clahe", remove("params.yaml"), r"params\.yaml does not exist; run from the root"),
    "params no YAML": Mistake("clahe", write("params.yaml", "clahe: [1"), "params.yaml is not valid YAML"),
    "params a list": Mistake("clahe", write("params.yaml", "- clahe\n"), "holds a list, expected a mapping"),
    "params empty": Mistake("clahe", write("params.yaml", ""), "holds a NoneType, expected a mapping"),
    "unknown section": Mistake("clahe", params(clache={}), "unknown key 'clache', did you mean 'clahe'"),
    "unknown key": Mistake("clahe", params(clahe={"clip": 2}), r"unknown key params\.yaml: clahe\.clip"),
    "missing section": Mistake("clahe", write("params.yaml", "seed: 1\n"), "the section 'clahe' is missing"),
    "missing key": Mistake("train_unet", write("params.yaml", "seed: 1\ntrain: {}\n"), r"train\.device is missing"),
    "section no mapping": Mistake("clahe", params(clahe=3), "clahe is 3, expected a mapping"),
    "text for a switch": Mistake("clahe", params(clahe={"enabled": "yes"}), r"clahe\.enabled is 'yes'.*boolean"),
    "number as text": Mistake("train_unet", params(unet={"lr": "1e-3"}), r"unet\.lr is '1e-3'.*number"),
    "unknown choice": Mistake("skull_strip", params(skull_strip={"method": "bet"}), "'deepbet'"),
    "weights not given": Mistake("skull_strip", params(skull_strip={"method": "mazurowski"}), "weights_128.h5"),
    "shares above one": Mistake("split", params(split={"val": 0.6, "test": 0.5}), "leaves nothing to train on"),
    "fold out of range": Mistake("split", params(split={"folds": 2, "fold": 2}), "fold is 2, expected 0 to 1"),
    "seed negative": Mistake("split", params(seed=-1), "seed is -1, expected an integer from 0"),
    "size no multiple": Mistake("train_unet", params(train={"input_size": 100}), "multiple of 32, for example 96"),
    "thresholds fall": Mistake("postprocess", params(postprocess={"thresholds": [0.5, 0.3]}), "rise"),
    "too few resamples": Mistake("evaluate", params(evaluate={"bootstrap": 1}), r"evaluate\.bootstrap is 1"),
    # download
    "path not given": Mistake("download", params(download={"source": "folder", "path": None}), "needs the path"),
    "archive absent": Mistake("download", local("archive", "none.zip"), "none.zip does not exist"),
    "archive a text": Mistake("download", local("archive", "params.yaml"), "neither zip nor tar"),
    "archive cut off": Mistake("download", zipped(SLICES, keep=0.6), "damaged or incomplete"),
    "archive hostile": Mistake("download", zipped(SLICES | {"../evil.tif": b""}), "leads outside"),
    "archive of others": Mistake("download", zipped({"holiday.jpg": b""}), "holds no patients"),
    "folder empty": Mistake("download", local("folder", "external", folder=True), "holds no patients"),
    "folder absent": Mistake("download", local("folder", "external"), "external does not exist"),
    "patient in part": Mistake("download", published_patient_in_part, "TCGA_CS_4941_19960909: .* files are missing"),
    # filter_labeled
    "raw tree missing": Mistake("filter_labeled", remove("data/raw"), "has no patient folders.*; run download"),
    "mask missing": Mistake("filter_labeled", remove(f"{SLICE}_mask.tif"), "_4.tif has no mask beside it"),
    "mask orphan": Mistake("filter_labeled", remove(f"{SLICE}.tif"), "_4_mask.tif has no image beside it"),
    "sizes differ": Mistake("filter_labeled", tif(f"{SLICE}_mask.tif", lambda a: a[:32]), "32 x 64 pixels"),
    "16 bits": Mistake("filter_labeled", tif(f"{SLICE}.tif", lambda a: a.astype(np.uint16)), "is uint16"),
    "one channel": Mistake("filter_labeled", tif(f"{SLICE}.tif", lambda a: a[..., 0]), r"uint8 \[64, 64\], expected"),
    "image cut off": Mistake("filter_labeled", truncate(f"{SLICE}.tif"), "cannot be read as TIF"),
    "image empty": Mistake("filter_labeled", write(f"{SLICE}.tif", b""), "cannot be read as TIF"),
    "mask of greys": Mistake("filter_labeled", tif(f"{SLICE}_mask.tif", lambda a: a + 7), "expected 0 and 255"),
    "number twice": Mistake("filter_labeled", copy(f"{SLICE}.tif", SLICE[:-1] + "04.tif"), "is slice 4 a second"),
    "picture twice": Mistake("filter_labeled", copy(SLICE[:-1] + "5.tif", f"{SLICE}.tif"), "is the same picture"),
    "stranger": Mistake("filter_labeled", write(f"data/raw/kaggle_3m/{PATIENT}/a.txt", ""), "a.txt is no slice"),
    # skull_strip, clahe
    "raw tree gone": Mistake("skull_strip", remove("data/raw"), "has no patient folders"),
    "weights absent": Mistake("skull_strip", params(skull_strip={"method": "mazurowski", "weights": "w.h5"}), r"w\.h5"),
    "slice sets absent": Mistake("clahe", remove("data/stripped"), "holds no slice set"),
    "slice set cut off": Mistake("clahe", truncate("data/stripped/*.npz"), r"\.npz is not a slice set"),
    "slice set of others": Mistake("clahe", lambda: np.savez(f"data/stripped/{PATIENT}.npz", a=1), "not a slice set"),
    # split
    "index missing": Mistake("split", remove("data/index.csv"), r"data/index\.csv does not exist"),
    "index empty": Mistake("split", write("data/index.csv", ""), "is not a CSV table"),
    "index binary": Mistake("split", write("data/index.csv", bytes(range(256))), "is not a CSV table"),
    "index lacks a column": Mistake(
        "split", table("data/index.csv", lambda t: t.drop(columns="tumour_px")), "lacks the column tumour_px"
    ),
    "one patient": Mistake("split", table("data/index.csv", first_patient_only), "1 units to divide leave 0"),
    "more folds than patients": Mistake("split", params(split={"folds": 20}), "too few for 20 folds"),
    # training
    "split missing": Mistake("train_unet", remove("splits/split.csv"), r"split\.csv does not exist"),
    "split unknown": Mistake(
        "train_unet", table("splits/split.csv", lambda t: t.replace("val", "dev")), "names the split 'dev', expected"
    ),
    "split lacks a column": Mistake(
        "train_unet", table("splits/split.csv", lambda t: t.drop(columns="slice")), "lacks the column slice"
    ),
    "split empty": Mistake("train_unet", write("splits/split.csv", ""), "is not a CSV table"),
    "split binary": Mistake("train_unet", write("splits/split.csv", bytes(range(256))), "is not a CSV table"),
    "split of words": Mistake(
        "train_unet", table("splits/split.csv", lambda t: t.assign(slice="first")), "holds more than whole numbers"
    ),
    "split doubled": Mistake("train_unet", table("splits/split.csv", doubled), "has slice 1 of PHANTOM.* twice"),
    "index doubled": Mistake("train_unet", table("data/index.csv", doubled), "has slice 1 of PHANTOM.* twice"),
    "split a folder": Mistake("train_unet", folder_instead_of("splits/split.csv"), "split.csv is in the way"),
    "file for a folder": Mistake("train_unet", file_instead_of("checkpoints"), "checkpoints.* is in the way"),
    "nobody validates": Mistake(
        "train_unet", table("splits/split.csv", lambda t: t[t["split"] != "val"]), "the split has no val slices"
    ),
    "one slice set absent": Mistake(
        "train_unet",
        lambda: [path.unlink() for path in Path("data/clahe").glob("*.npz")],
        r"\.npz does not exist; `dvc repro` makes it",
    ),
    "unknown encoder": Mistake("train_unet", params(unet={"encoder": "resnet9000"}), "unet.encoder is 'resnet9000'"),
    "plain U-Net++": Mistake("train_unetpp", params(unetpp={"encoder": "plain"}), "set unet.encoder instead"),
    "transformer": Mistake(
        "train_unet",
        params(unet={"encoder": "tu-vit_tiny_patch16_224"}),
        "'tu-vit_tiny_patch16_224' with 2 decoder_channels cannot be built",
    ),
    "batch of one": Mistake(
        "train_unet",
        params(unet={"encoder": "resnet18", "decoder_channels": [8, 8, 8, 4, 4]}, train={"batch_size": 1}),
        "a batch of a single slice is too small",
    ),
    "encoder weights a text": Mistake(
        "train_unetpp", params(unetpp={"encoder_weights": "params.yaml"}), r"cannot be read \(\w+\); expected a state"
    ),
    "encoder weights absent": Mistake("train_unetpp", params(unetpp={"encoder_weights": "none.pth"}), r"none\.pth"),
    # postprocess
    "model cut off": Mistake("postprocess", truncate("trained/unet.safetensors"), "is not a brainseg model"),
    "model of others": Mistake("postprocess", write("trained/unet.safetensors", b"weights"), "not a brainseg model"),
    "no model": Mistake("postprocess", folder_instead_of("trained"), "trained holds no model, expected unet and"),
    "one model": Mistake("postprocess", remove("trained/unetpp.safetensors"), "holds unet, expected unet and unetpp"),
    "nobody to test": Mistake(
        "postprocess", table("splits/split.csv", lambda t: t[t["split"] != "test"]), "the split has no test slices"
    ),
    "slice not there": Mistake(
        "evaluate", table("splits/split.csv", lambda t: t.assign(slice=t["slice"] + 100)), "slice 101 is in the split"
    ),
    # evaluate
    "prediction missing": Mistake("evaluate", remove("predictions/unetpp/*.npz"), "missing for PHANTOM_"),
    "prediction extra": Mistake("evaluate", table("splits/split.csv", drop_a_test_patient), "extra for PHANTOM_"),
    "prediction cut off": Mistake("evaluate", truncate("predictions/unet/*.npz"), "is not a prediction"),
    "prediction of other slices": Mistake(
        "evaluate", edit_prediction(lambda a: a | {"slices": a["slices"] + 1}), "other slices than the split's"
    ),
    "prediction of another size": Mistake(
        "evaluate", edit_prediction(lambda a: a | {k: a[k][:, :9] for k in ("mask", "probability")}), "expected bool"
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_message_and_leaves_nothing(name, folder, capsys):
    mistake = MISTAKES[name]
    mistake.make()
    require_refusal(mistake.stage, folder, capsys, mistake.sentence)


def test_all_problems_of_a_dataset_are_listed(folder, capsys):
    Path(f"{SLICE}_mask.tif").unlink()
    tif(f"{SLICE[:-1]}5.tif", lambda a: a[..., 0])()
    said = require_refusal("filter_labeled", folder, capsys, "is not fit to work on")
    assert said.count(PROBLEM) == 2


def test_a_diverged_loss_says_what_to_lower(folder, capsys, monkeypatch):
    from brainseg.model import training

    monkeypatch.setattr(training, "dice_bce", lambda *_: torch.tensor(float("nan")))
    require_refusal("train_unet", folder, capsys, "the loss became nan in epoch 1; lower the learning rate")


def test_memory_that_runs_out_says_what_to_lower(folder, capsys, monkeypatch):
    from brainseg.model import training

    def exhausted(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "dice_bce", exhausted)
    require_refusal("train_unet", folder, capsys, "memory ran out while training with train.batch_size 4")


@pytest.mark.parametrize(
    ("stage", "number", "sentence"),
    [
        ("clahe", errno.ENOSPC, "no space left while writing .*; free some space"),
        ("clahe", errno.EDQUOT, "no space left while writing"),
        ("clahe", errno.EACCES, "no permission for .*; change its owner or mode"),
        ("download", errno.ENOSPC, "The disk of data/raw is full; make room"),
        ("download", errno.EACCES, r"Download into data/raw failed \(Permission denied"),
    ],
)
def test_a_disk_that_refuses_is_named(stage, number, sentence, folder, capsys, monkeypatch):
    def refuse(name: object, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(name))

    monkeypatch.setattr(np, "savez_compressed", refuse)
    monkeypatch.setattr(tifffile, "imwrite", refuse)
    require_refusal(stage, folder, capsys, sentence)


def test_no_space_in_the_middle_of_a_metrics_file(folder, capsys, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as `write` raises it: without a name

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    require_refusal("split", folder, capsys, "no space left while writing output; free some space")


def test_a_folder_without_permission_is_named(folder, capsys, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "data/.clahe.x")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)  # chmod does not stop root, who runs the tests in a container
    require_refusal("clahe", folder, capsys, r"no permission for data/\.clahe\.x; change its owner or mode")


def test_a_failure_writes_no_line_in_the_log(folder, capsys):
    before = Path("logs/stages.csv").read_text()
    change_params(folder, {"clahe": {"tile_grid": 0}})
    assert run_here("clahe", capsys).status == 2
    assert Path("logs/stages.csv").read_text() == before
    change_params(folder, {"clahe": {"tile_grid": 2}})
    assert run_here("clahe", capsys).status == 0
    (line,) = Path("logs/stages.csv").read_text().removeprefix(before).splitlines()
    assert line.split(",")[1] == "clahe"


def test_a_defect_keeps_its_traceback(folder, capsys, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(np, "savez_compressed", broken)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        run_here("clahe", capsys)
    assert not [path for path in Path().rglob(".*")]
