"""The benchmarks: both sides do the same work, and the figures are what the clock said."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer import Typer
from typer.testing import CliRunner

from benchmarks import floor, loading, preprocessing, stages, timing, training
from benchmarks.__main__ import measure
from benchmarks.machine import describe
from benchmarks.settings import INPUTS, Sizes, stripped_patients
from benchmarks.stages import StageCost, TimingsError, read_log, stage_names
from brainseg.data.slices import SliceSet
from brainseg.model.dataset import gather
from brainseg.model.recipe import NetworkTrainParams
from brainseg.preprocess.skull_strip import make_stripper
from brainseg.segmentation import segmenter
from tests.model.small import train_params
from tests.params import skull_strip_params

ROOT = Path(__file__).resolve().parents[1]
HEADER = "finished,stage,seconds,peak_mib\n"


@pytest.fixture(scope="module")
def patients() -> list[SliceSet]:
    return stripped_patients(2, 5, 96)


def test_pairs_are_timed_in_turns_after_one_untimed_turn(monkeypatch):
    calls, clock = [], [0.0]

    def work(name: str, seconds: float) -> None:
        calls.append(name)
        clock[0] += seconds

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    pairs = timing.time_pairs(lambda: work("A", 2.0), lambda: work("B", 6.0), slices=4, pairs=3)
    assert "".join(calls) == "ABABABAB"
    assert pairs == ((0.5, 1.5),) * 3


def test_the_table_shows_medians_and_the_ratios_of_pairs():
    pairs = ((0.1, 0.2), (0.2, 0.2), (0.5, 2.0))  # medians 0.2 and 0.2, ratios 2, 1 and 4
    rate = timing.Comparison("reading", "in C", "by hand", "slices/s", pairs)
    duration = timing.Comparison("a step", "quick", "slow", "ms/slice", pairs)
    lines = timing.format_comparisons([rate, duration]).splitlines()
    assert lines[2].split() == ["reading", "slices/s", "5.0", "5.0", "2.00", "(1.00", "-", "4.00)"]
    assert lines[3].split() == ["a", "step", "ms/slice", "200.0", "200.0", "2.00", "(1.00", "-", "4.00)"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert "  theirs: by hand" in lines


def test_both_preprocessings_agree_but_for_the_equalisation(patients, monkeypatch):
    """Window, z-score and resize are the same work: equal results where CLAHE does nothing."""
    monkeypatch.setattr(preprocessing, "CLAHE", preprocessing.CLAHE.model_copy(update={"enabled": False}))
    monkeypatch.setattr(preprocessing, "equalize_adapthist", lambda image, tile, clip_limit: image)
    for patient in patients:
        np.testing.assert_allclose(preprocessing.ours(patient), preprocessing.theirs(patient), atol=2e-3)


def test_both_equalisations_show_the_same_picture():
    (patient,) = stripped_patients(1, 8, 256)
    for image, brain in zip(patient.images, patient.brain, strict=True):
        image[tuple(np.argwhere(brain)[:1].T)] = 255  # scikit-image first stretches each slice to the full range
    ours, theirs = preprocessing.ours(patient), preprocessing.theirs(patient)
    inside = (ours != 0).any(1)
    middle = [i for i in range(len(patient)) if patient.brain[i].sum() > 8000]
    pairs = [(ours[i, c][inside[i]], theirs[i, c][inside[i]]) for i in middle for c in range(3)]
    assert len(pairs) >= 9
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in pairs]) > 0.9


def test_both_loadings_give_every_training_slice_once_an_epoch(patients, tmp_path):
    stored = loading.store(patients, tmp_path)
    slices = sum(map(len, patients)) - 1
    expected = gather(stored.sets, stored.index, stored.split, INPUTS)
    tumour = {}
    for side in (loading.ours, loading.theirs):
        batches = list(side(stored, epochs=2))
        images, masks = (torch.cat(part) for part in zip(*batches, strict=True))
        assert images.shape == (2 * slices, 3, 192, 192)
        assert masks.shape == (2 * slices, 1, 192, 192)
        assert images.dtype == masks.dtype == torch.float32
        first, second = (sorted(part.sum((1, 2, 3)).tolist()) for part in masks.split(slices))
        assert first == second
        tumour[side] = np.count_nonzero(first)
    assert tumour[loading.ours] == tumour[loading.theirs] == np.count_nonzero(expected.masks.any((1, 2))) > 0


@pytest.fixture
def one_thread() -> Iterator[None]:
    """At this size threads only wait for each other, on a busy machine for very long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_every_comparison_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    quick = make_stripper(skull_strip_params(method="classical"))
    monkeypatch.setattr(segmenter, "_stripper", lambda *_: quick)  # deepbet takes seconds, whatever the size
    tiny = Sizes(patients=2, slices=5, size=96, epochs=2, step_size=32, batch=2, mask=(8, 24, 20))
    comparisons = measure(tiny, pairs=1)
    assert [comparison.what for comparison in comparisons] == [
        "preprocessing",
        "data loading, 2 epochs",
        "training step",
        "shape features, 8 x 24 x 20",
        *["unet at 160 px", "unetpp at 160 px"] * 2,  # float32 and int8
        *["predict, patient of 5"] * 2,
        "brain extraction, patient of 5",
        "predict, patient of 5",  # beside the published U-Net
        "predict --fast, patient of 5",
    ]
    for comparison in comparisons:
        assert len(comparison.pairs) == len(comparison.ratios) == 1
        assert all(0 < seconds < 60 for seconds in itertools.chain(*comparison.pairs))


@pytest.mark.usefixtures("one_thread")
def test_both_layouts_take_the_same_first_step():
    losses = []
    for last in (True, False):
        trainer = training.Trainer(last=last, size=32, batch=2)
        weight = trainer.network.encoder.model.conv_stem.weight
        assert trainer.images.is_contiguous(memory_format=torch.channels_last) is last
        assert weight.is_contiguous(memory_format=torch.channels_last) is last
        trainer.network.double()  # batch norm of so few pixels magnifies float32's rounding
        trainer.images = trainer.images.double()
        before = weight.detach().clone()
        losses.append(trainer.step())
        assert not torch.equal(weight, before)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert 0 < losses[0] < 5


def test_the_machine_is_described_without_its_name():
    import platform

    text = describe()
    assert f"{torch.get_num_threads()} thread" in text
    assert "GiB" in text
    assert platform.node() not in text


def table_of(log: Path, text: str, out: Path, names: tuple[str, ...] = ("first", "second")) -> list[list[str]]:
    log.write_text(text)
    page = stages.timings(list(names), read_log(log), "2 CPU cores")
    out.write_text(page)
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    return [rows[0], *rows[2:]]


def test_the_last_run_of_each_stage_counts_in_the_pipelines_order(tmp_path):
    text = HEADER + "t1,second,100.0,900\nt2,first,1.5,2000\nt3,gone,9.0,9999\nt4,second,50.25,800\n"
    assert table_of(tmp_path / "log.csv", text, tmp_path / "out.md") == [
        ["stage", "seconds", "peak MiB"],
        ["first", "1.5", "2000"],
        ["second", "50.2", "800"],
        ["total", "51.8", "2000"],
    ]


def test_a_stage_that_never_ran_is_shown_and_the_total_says_so(tmp_path):
    rows = table_of(tmp_path / "log.csv", HEADER + "t1,second,3.0,40\n", tmp_path / "out.md")
    assert rows[1:] == [["first", "-", "-"], ["second", "3.0", "40"], ["total (1 of 2 stages)", "3.0", "40"]]


def test_the_order_is_that_of_the_pipeline():
    names = stage_names(ROOT / "dvc.yaml")
    assert names[:2] == ["code", "download"]
    assert names == list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "begins with ''"),
        ("stage,seconds\n", "begins with 'stage,seconds'"),
        (HEADER + "t1,first,1.0,10\nt2,second,5", "line 3 is 't2,second,5'"),
        (HEADER + "t1,first,soon,10\n", "line 2 is 't1,first,soon,10'"),
        (HEADER + "t1,first,nan,10\n", "line 2 is"),
    ],
)
def test_a_log_that_is_none_is_named(tmp_path, text, sentence):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(TimingsError, match="expected") as raised:
        read_log(tmp_path / "log.csv")
    assert sentence in str(raised.value)


def test_a_log_of_other_stages_is_refused():
    with pytest.raises(TimingsError, match="no run of any of first, second"):
        stages.timings(["first", "second"], {"third": StageCost(1, 1)}, "")


def command() -> Typer:
    app = Typer(pretty_exceptions_enable=False)
    app.command()(stages.main)
    return app


def test_the_command_writes_the_page(tmp_path):
    log, out = tmp_path / "stages.csv", tmp_path / "docs" / "timings.md"
    log.write_text(HEADER + "t1,download,3.5,129\n")
    result = CliRunner().invoke(command(), ["--log", str(log), "--out", str(out)])
    assert result.exit_code == 0
    assert "1 of 11 stages" in result.stdout
    assert "| download | 3.5 | 129 |" in out.read_text()
    assert "| train_unetpp | - | - |" in out.read_text()


def test_a_missing_log_is_one_sentence_and_status_2(tmp_path):
    arguments = ["--log", str(tmp_path / "none.csv"), "--out", str(tmp_path / "out.md")]
    module = [sys.executable, "-m", "benchmarks.stages", *arguments]
    result = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == f"error: {tmp_path / 'none.csv'} does not exist; `dvc repro` writes it, stage by stage.\n"
    assert not (tmp_path / "out.md").exists()


def test_the_floor_counts_what_convolutions_multiply():
    """A plain U-Net of widths 2 and 4 on one slice of 32 px: 2 * pixels * 9 * in * out of each 3x3 convolution."""
    run = NetworkTrainParams(encoder="plain", encoder_weights="none", decoder_channels=[4, 2], epochs=1, lr=0.01)
    convolutions = 1024 * (3 * 2 + 2 * 2) + 256 * (2 * 4 + 4 * 4) + 1024 * (4 * 2 + 2 * 2)
    growing, head = 256 * 4 * 2 * 4, 1024 * 2
    assert floor.forward_flops("unet", run, train_params(batch_size=1)) == 2 * (9 * convolutions + growing + head)


def test_the_floor_times_the_parts_of_a_step():
    run = NetworkTrainParams(encoder="plain", encoder_weights="none", decoder_channels=[4, 2], epochs=1, lr=0.01)
    parts = floor.step_parts("unet", run, train_params(batch_size=2))
    assert len(parts) == 4
    assert all(seconds > 0 for seconds in parts)
