"""`make gpu-check` tried on the CPU, which stands for the device."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch

from benchmarks import gpu
from tests.model.small import network_params, train_params


def test_the_cpu_against_itself():
    data = gpu.synthetic(5, train_params(), slices_each=4, size=64)
    found = dict(gpu.compare(data, "cpu", 1, train_params(), network_params()))
    assert found["slices trained on, epochs"] == f"{len(data.images)}, 1"
    assert found["the same bytes twice on cpu"] == "yes"
    assert "(0.000 away; chance" in found["validation Dice on cpu"]
    assert found["largest difference of a probability, float32"].startswith("0.0e+00 ")
    assert gpu.page([gpu.table("synthetic patients", [*found.items()])], "a device").count("| yes |") == 1


def test_operators_that_are_not_deterministic_are_named(monkeypatch):
    def warn(*_):
        warnings.warn("upsample_backward_cuda does not have a deterministic implementation, but ...", stacklevel=1)
        return SimpleNamespace(history=[{}])

    monkeypatch.setattr(gpu, "train", warn)
    assert gpu.run(None, train_params(), network_params()).operators == ("upsample_backward_cuda",)


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would measure for minutes")
def test_without_a_gpu_it_says_so_and_writes_nothing(capsys, tmp_path):
    gpu.main(epochs=1, data=tmp_path / "none", out=tmp_path / "gpu.md")
    assert "sees no CUDA device here: nothing was measured" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
