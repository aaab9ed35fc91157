"""The converted network against Keras itself, the weights file's faults, and the post-processing by hand."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.preprocess import mazurowski
from brainseg.preprocess.mazurowski import (
    MazurowskiStripper,
    find_weights,
    hull_slices,
    load_network,
    rescale_peak,
)


def keras_network():
    """The U-Net as the authors' net.py lays it out, with random weights."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    from keras import layers

    def double(x, filters):
        for _ in range(2):
            x = layers.Activation("relu")(layers.Conv2D(filters, (3, 3), padding="same")(x))
        return x

    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((None, None, 3))
    skips = []
    for filters in (32, 64, 128, 256):
        x = double(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D((2, 2))(x)
    x = double(x, 512)
    for filters in (256, 128, 64, 32):
        x = layers.Conv2DTranspose(filters, (2, 2), strides=(2, 2), padding="same")(x)
        x = double(layers.concatenate([x, skips.pop()], axis=3), filters)
    model = keras.Model(inputs, layers.Conv2D(1, (1, 1), activation="sigmoid")(x))
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            # He's variance keeps the signal alive through 19 layers; biases are not left at 0.
            fan_in = np.prod(kernel.shape[:3]) if "transpose" not in layer.name else kernel.shape[3]
            kernel = generator.normal(0, np.sqrt(2 / fan_in), kernel.shape)
            layer.set_weights([kernel, generator.normal(0, 0.1, bias.shape)])
    return model


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory):
    """The Keras model, its whole-model legacy file, and its weights alone as older Keras wrote them."""
    model = keras_network()
    folder = tmp_path_factory.mktemp("keras")
    whole, weights = folder / "model.h5", folder / "weights_128.h5"
    model.save(whole)
    with h5py.File(whole, "r") as source, h5py.File(weights, "w") as target:
        for name in source["model_weights"]:
            source.copy(f"model_weights/{name}", target)
        for name, value in source["model_weights"].attrs.items():
            target.attrs[name] = value
    return model, whole, weights


@pytest.mark.parametrize("which", [1, 2])
def test_same_output_as_keras(keras_files, which: int) -> None:
    x = np.random.default_rng(1).normal(0, 1, (2, 32, 48, 3)).astype(np.float32)
    expected = np.asarray(keras_files[0].predict(x, verbose=0))
    with torch.inference_mode():
        found = load_network(keras_files[which])(torch.from_numpy(x).permute(0, 3, 1, 2))
    assert expected.std() > 0.05  # the comparison would see a wrong layer
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, atol=1e-4)


def edited(source: Path, target: Path, edit) -> Path:
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        edit(file, [name if isinstance(name, str) else name.decode() for name in file.attrs["layer_names"]])
    return target


def kernel_of(file, layer: str):
    name = file[layer].attrs["weight_names"][0]
    return file[layer], name if isinstance(name, str) else name.decode()


def reshape_first(file, names) -> None:
    group, kernel = kernel_of(file, next(name for name in names if name.startswith("conv")))
    del group[kernel]
    group[kernel] = np.zeros((5, 5, 3, 32), np.float32)


def poison_first(file, names) -> None:
    group, kernel = kernel_of(file, next(name for name in names if name.startswith("conv")))
    group[kernel][0, 0, 0, 0] = np.nan


def drop_last(file, names) -> None:
    file.attrs["layer_names"] = [name.encode() for name in names[:-1]]


def lose_names(file, names) -> None:
    del file.attrs["layer_names"]


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (reshape_first, "has shapes [(5, 5, 3, 32), (32,)], expected [(3, 3, 3, 32), (32,)]"),
        (poison_first, "not finite"),
        (drop_last, "holds 22 layers with weights, expected 23"),
        (lose_names, "no Keras weights file in the legacy layout"),
    ],
)
def test_other_networks_are_refused(keras_files, tmp_path: Path, edit, sentence: str) -> None:
    path = edited(keras_files[2], tmp_path / "w.h5", edit)
    with pytest.raises(DataError) as caught:
        load_network(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_broken_files_are_refused(keras_files, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_network(tmp_path / "none.h5")
    content = keras_files[2].read_bytes()
    for name, data in {
        "text.h5": b"<html>quota</html>",
        "empty.h5": b"",
        "cut.h5": content[: len(content) // 2],
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match="no Keras weights file"):
            load_network(path)


def test_digest_is_checked(keras_files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = keras_files[2]
    assert find_weights(str(weights), sha256(weights)) == weights
    with pytest.raises(DataError, match="not weights_sha256"):
        find_weights(str(weights), "0" * 64)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(mazurowski, "WEIGHTS_URL", weights.as_uri())
    with pytest.raises(DataError, match="cannot be fetched"):
        find_weights("download", "0" * 64)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    fetched = find_weights("download", sha256(weights))
    assert fetched.read_bytes() == weights.read_bytes()
    monkeypatch.setattr(mazurowski, "WEIGHTS_URL", "file:///nowhere")
    assert find_weights("download", sha256(weights)) == fetched  # kept, so nothing is fetched again
    with pytest.raises(DataError, match="cannot be fetched"):
        find_weights("download", "1" * 64)


def test_each_slice_is_seen_with_its_neighbours(keras_files, monkeypatch: pytest.MonkeyPatch) -> None:
    stripper = MazurowskiStripper(str(keras_files[2]))
    seen = []

    def network(batch):
        seen.append(batch)
        return (batch[:, 1:2] * 50 + 30 >= 100).float()  # the middle slice, thresholded

    stripper._network = network
    monkeypatch.setattr(mazurowski, "rescale_peak", lambda flair: flair)
    flair = np.zeros((10, 256, 264), np.uint8)
    flair[2:5, 100:140, 50:100] = 200
    flair[8, 5:10, 5:10] = 200  # a smaller component
    expected = flair > 0
    expected[8] = False

    np.testing.assert_array_equal(stripper.brain_mask(flair), expected)
    batch = torch.cat(seen)
    assert batch.shape == (10, 3, 256, 272)
    black, white = (0 - 30) / 50, (200 - 30) / 50
    assert batch[:, :, 120, 60].tolist() == pytest.approx(
        np.array([[white if 2 <= i + d < 5 else black for d in (-1, 0, 1)] for i in range(10)])
    )


def test_real_network_runs_on_a_small_stack(keras_files) -> None:
    flair = np.random.default_rng(0).integers(0, 255, (2, 40, 48), dtype=np.uint8)
    stripper = MazurowskiStripper(str(keras_files[2]))
    mask = stripper.brain_mask(flair)
    assert mask.shape == flair.shape
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, stripper.brain_mask(flair))


def test_hull_fills_a_c_shape_and_leaves_empty_slices() -> None:
    mask = np.zeros((2, 9, 9), bool)
    mask[0, 2:7, 2:7] = True
    mask[0, 4, 4:7] = False
    expected = np.zeros_like(mask)
    expected[0, 2:7, 2:7] = True
    np.testing.assert_array_equal(hull_slices(mask), expected)


def test_peak_of_the_main_tissue_comes_to_100() -> None:
    generator = np.random.default_rng(0)
    background, tissue = generator.integers(0, 8, 60_000), generator.normal(60, 8, 40_000).clip(0, 255)
    out = rescale_peak(np.concatenate([background, tissue]).reshape(10, 100, 100))
    peak = np.bincount(out.ravel() // 4)[10:].argmax() * 4 + 40
    assert abs(peak - 100) <= 12
    assert out.min() == 0
    flat = np.full((2, 4, 4), 7, np.uint8)
    np.testing.assert_array_equal(rescale_peak(flat), flat)
