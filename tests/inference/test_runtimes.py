"""Which runtime and device a wish comes to, what `--fast` means, and what is said where a wish cannot be met."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brainseg.errors import DataError, UserError
from brainseg.inference import runtimes
from brainseg.inference.presets import FAST, PRESETS, USUAL, settle
from brainseg.inference.runtimes import AUTO, DEVICES, FLOAT32, INT8, PRECISIONS, RUNTIMES, choose
from brainseg.model.catalogue import MODELS

CASES = [
    # wish: runtime, device, precision; with CUDA, without
    ((AUTO, AUTO, FLOAT32), ("torch", "cuda"), ("openvino", "cpu")),
    ((AUTO, "cpu", FLOAT32), ("openvino", "cpu"), ("openvino", "cpu")),
    ((AUTO, AUTO, INT8), ("openvino", "cpu"), ("openvino", "cpu")),
    (("openvino", AUTO, FLOAT32), ("openvino", "cpu"), ("openvino", "cpu")),
    (("torch", AUTO, FLOAT32), ("torch", "cuda"), ("torch", "cpu")),
    (("torch", "cpu", FLOAT32), ("torch", "cpu"), ("torch", "cpu")),
    ((AUTO, "cuda", FLOAT32), ("torch", "cuda"), None),
]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Says what the machine has."""

    def has(*, cuda: bool, installed: tuple[str, ...] = ("openvino", "torch")) -> None:
        monkeypatch.setattr(runtimes, "cuda_is_there", lambda: cuda)
        packages = {package for name in installed for package in RUNTIMES[name].packages}
        monkeypatch.setattr(runtimes, "_is_installed", packages.__contains__)

    return has


@pytest.mark.parametrize(("wish", "with_cuda", "without"), CASES)
def test_a_wish_comes_to_a_runtime_and_a_device(machine, wish, with_cuda, without):
    machine(cuda=True)
    assert choose(*wish) == with_cuda
    machine(cuda=False)
    if without is None:
        with pytest.raises(DataError, match="sees no CUDA device; choose --device cpu"):
            choose(*wish)
    else:
        assert choose(*wish) == without


@pytest.mark.parametrize(("device", "where"), [("mps", "torch.backends.mps"), ("xpu", "torch.xpu")])
def test_a_gpu_that_is_not_cuda_is_taken_where_it_is_named_and_there(machine, monkeypatch, device, where):
    machine(cuda=False)
    monkeypatch.setattr(f"{where}.is_available", lambda: True)
    assert choose(AUTO, device, FLOAT32) == choose("torch", device, FLOAT32) == ("torch", device)
    assert choose(AUTO, AUTO, FLOAT32) == ("openvino", "cpu")
    monkeypatch.setattr(f"{where}.is_available", lambda: False)
    with pytest.raises(DataError, match=f"this torch sees no {device.upper()} device; choose --device cpu"):
        choose(AUTO, device, FLOAT32)


def test_without_torch_all_that_needs_none_runs_by_openvino(machine):
    machine(cuda=True, installed=("openvino",))
    for precision in PRECISIONS:
        assert choose(AUTO, AUTO, precision) == ("openvino", "cpu")
    for wish in (("torch", AUTO, FLOAT32), (AUTO, "cuda", FLOAT32)):
        with pytest.raises(
            DataError, match=r"torch on \w+ needs torch, .* not installed; run pip install '\.\[torch\]' in the clone"
        ):
            choose(*wish)


def test_without_openvino_torch_takes_its_place(machine):
    machine(cuda=False, installed=("torch",))
    assert choose(AUTO, AUTO, FLOAT32) == ("torch", "cpu")
    with pytest.raises(
        DataError, match="openvino on cpu needs openvino, which is not installed; run pip install openvino"
    ):
        choose(AUTO, AUTO, INT8)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (("torch", AUTO, INT8), "nothing runs torch with int8: openvino runs float32 and int8 on cpu, torch runs"),
        (("openvino", "cuda", FLOAT32), "nothing runs openvino with cuda with float32"),
        (("tensor", AUTO, FLOAT32), "there is no runtime 'tensor', expected auto, openvino, torch"),
        ((AUTO, "tpu", FLOAT32), "there is no device 'tpu', expected auto, cpu, cuda, mps, xpu"),
        ((AUTO, AUTO, "int4"), "there is no precision 'int4', expected float32, int8"),
    ],
)
def test_what_cannot_be_is_one_sentence(machine, wish, words):
    machine(cuda=True)
    with pytest.raises(DataError, match=words):
        choose(*wish)


def test_another_runtime_is_one_entry(monkeypatch, machine):
    entry = replace(RUNTIMES["torch"], packages=("other",), extra="other", devices=("npu",))
    monkeypatch.setattr(runtimes, "RUNTIMES", RUNTIMES | {"other": entry})
    monkeypatch.setattr(runtimes, "DEVICES", (*DEVICES, "npu"))
    machine(cuda=False)
    with pytest.raises(
        DataError, match=r"other on npu needs other, which is not installed; run pip install '\.\[other\]'"
    ):
        choose(AUTO, "npu", FLOAT32)


NOTHING = {"model": None, "precision": None, "tta": None}


def test_presets_name_what_there_is():
    for preset in PRESETS.values():
        assert preset.model in MODELS
        assert preset.precision in PRECISIONS


def test_what_is_given_stands_in_place_of_the_usual():
    assert settle(USUAL, NOTHING) == {"model": "ensemble", "precision": FLOAT32, "tta": None}
    given = {"model": "unetpp", "precision": INT8, "tta": False}
    assert settle(USUAL, given, "torch", "cuda") == given


def test_fast_is_one_network_without_flips_in_int8():
    means = {"model": "unet", "precision": INT8, "tta": False}
    assert settle(FAST, NOTHING) == settle(FAST, means, "openvino", "cpu") == means


@pytest.mark.parametrize(
    ("given", "where", "words"),
    [
        ({"model": "ensemble"}, {}, "leave out --model ensemble, or --fast."),
        ({"precision": FLOAT32}, {}, "leave out --precision float32, or --fast."),
        ({"tta": True}, {}, "leave out --tta, or --fast."),
        ({}, {"runtime": "torch"}, "leave out --runtime torch, or --fast."),
        ({"tta": True}, {"device": "cuda"}, "leave out --tta, --device cuda, or --fast."),
    ],
)
def test_what_contradicts_fast_is_named(given, where, words):
    with pytest.raises(UserError) as caught:
        settle(FAST, NOTHING | given, **where)
    assert str(caught.value) == (f"--fast means --model unet, --precision int8, --no-tta, by openvino on cpu: {words}")
