"""Mistakes of a user: exit status 2 and one message on stderr, without a traceback; the folder is left as it was."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline import run_module, set_up
from tests.stages.folders import require_refusal, without_outputs
from tests.stages.spoil import (
    PATIENT,
    SLICE,
    Mistake,
    copy,
    doubled,
    drop_a_test_patient,
    edit_prediction,
    file_instead_of,
    first_patient_only,
    folder_instead_of,
    local,
    params,
    published_patient_in_part,
    remove,
    table,
    tif,
    truncate,
    write,
    zipped,
)

CLINICAL = "data/raw/kaggle_3m/data.csv"
PROBLEM = "\n  - "  # how a DatasetError lists each of its problems
SLICES = {f"kaggle_3m/P/P_{n}{suffix}.tif": bytes(2000) for n in range(1, 4) for suffix in ("", "_mask")}
MISTAKES = {
    # parameters
    "params missing": Mistake("clahe", remove("params.yaml"), r"params\.yaml does not exist; run from the root"),
    "params no YAML": Mistake("clahe", write("params.yaml", "clahe: [1"), "params.yaml is not valid YAML"),
    "params a list": Mistake("clahe", write("params.yaml", "- clahe\n"), "holds a list, expected a mapping"),
    "params empty": Mistake("clahe", write("params.yaml", ""), "holds a NoneType, expected a mapping"),
    "unknown section": Mistake("code", params(clache={}), "unknown key 'clache', did you mean 'clahe'"),
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
    "another's parameter": Mistake(
        "code", params(evaluate={"bootstrap": 1}), r"\n  - params\.yaml: evaluate\.bootstrap is 1"
    ),
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
    # radiogenomics
    "clusters in words": Mistake(
        "radiogenomics", write(CLINICAL, "Patient,RNASeqCluster\nPHANTOM_CS_0001,two\n"), "is not the dataset's table"
    ),
    "no thickness": Mistake("radiogenomics", params(radiogenomics={"thickness": 0}), r"radiogenomics\.thickness is 0"),
    "ensemble cut off": Mistake("radiogenomics", truncate("predictions/ensemble/*.npz"), "is not a prediction"),
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


def test_the_first_stage_names_the_mistakes_of_all_sections(folder, capsys):
    params(seed=-1, unet={"epoch": 3}, radiogenomics={"bins": 0}, evaluate={"bootstrap": -1})()
    said = require_refusal("code", folder, capsys, r"^error: params\.yaml is not fit to run with; correct it there:\n")
    assert said.count(PROBLEM) == 4
    for words in ("seed is -1", "unet.epoch, did you mean 'epochs'", "radiogenomics.bins is 0", "bootstrap is -1"):
        assert words in said


def test_a_stage_run_by_hand_asks_its_own_sections_alone(folder):
    params(evaluate={"bootstrap": -1}, unett={})()
    without_outputs("clahe")
    assert run_module("clahe") == 0


def test_an_experiment_with_a_mistake_in_the_last_section_stops_before_the_first_stage(tmp_path):
    checkout = set_up(tmp_path)
    checkout.code()
    checkout.commit("digests")
    process = checkout.start("exp", "run", "-S", "evaluate.bootstrap=-1", "-S", "radiogenomics.bins=0")
    said = process.communicate()[0]
    assert process.returncode == 255
    assert re.findall(r"^Running stage '(\w+)':$", said, re.MULTILINE) == ["code"]
    assert "  - params.yaml: radiogenomics.bins is 0: " in said
    assert "  - params.yaml: evaluate.bootstrap is -1: " in said
    assert "Traceback" not in said
    assert not (checkout.root / "data" / "raw").exists()
    assert checkout.git("status", "--short").split() == ["M", "params.yaml"]  # what -S wrote; the digests stay
