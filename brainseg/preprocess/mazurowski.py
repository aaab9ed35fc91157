"""Brain extraction with the U-Net of Buda, Saha and Mazurowski (Comput. Biol. Med. 109:218, 2019).

Network, normalisation and post-processing follow github.com/MaciejMazurowski/brain-segmentation,
folder skull-stripping. Its weights are a Keras file in the legacy HDF5 layout, read with h5py alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from brainseg.data.slices import U8, Bool, Float
from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.preprocess.morphology import largest_component

# The link in skull-stripping/download_weights.sh of the authors' repository (commit fd4e9e6).
WEIGHTS_URL = "https://docs.google.com/uc?export=download&id=1yfXFngcJvBO3EKuC6-ASboW_TPyLSLgd"
MEAN, STD = 30.0, 50.0  # of the authors' training images
SIDE = 256  # the size the network was trained at
_WIDTHS = (32, 64, 128, 256, 512)
_BATCH = 8
_ADVICE = "give skull_strip.weights the weights_128.h5 that MaciejMazurowski/brain-segmentation links to."


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(),
    )


class BrainUNet(nn.Module):
    """The authors' network: 5 levels from 32 filters, no batch norm, sigmoid output.

    Input float32 [batch, 3, height, width], sides divisible by 16: the slice below, the slice itself
    and the slice above, normalised. Output float32 [batch, 1, height, width], probability of brain.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_double_convolution(a, b) for a, b in zip((3, *_WIDTHS), _WIDTHS, strict=False))
        narrowing = list(zip(_WIDTHS[:0:-1], _WIDTHS[-2::-1], strict=True))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in narrowing)
        self.up = nn.ModuleList(_double_convolution(2 * b, b) for _, b in narrowing)
        self.head = nn.Conv2d(_WIDTHS[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips: list[torch.Tensor] = []
        for block in self.down:
            x = block(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for widen, block, skip in zip(self.widen, self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([widen(x), skip], dim=1))
        return torch.sigmoid(self.head(x))

    def layers(self) -> list[nn.Conv2d | nn.ConvTranspose2d]:
        """The layers with weights in the order in which Keras stores them: along the data's way."""
        ordered = nn.ModuleList(self.down)
        for widen, block in zip(self.widen, self.up, strict=True):
            ordered += [widen, block]
        ordered.append(self.head)
        return [layer for layer in ordered.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


def load_network(path: Path) -> BrainUNet:
    """Read `weights_128.h5` into the torch network.

    Kernels are (height, width, in, out) in Keras and (out, in, height, width) in torch; those of transposed
    convolutions (height, width, out, in) and (in, out, height, width): one permutation serves both.

    Raises:
        DataError: the file is missing, not HDF5, truncated, or holds another network.
    """
    stored = _read_keras(path)
    network = BrainUNet().eval()
    layers = network.layers()
    if len(stored) != len(layers):
        raise DataError(f"{path} holds {len(stored)} layers with weights, expected {len(layers)}; {_ADVICE}")
    for (name, arrays), layer in zip(stored, layers, strict=True):
        assert layer.bias is not None
        expected = [tuple(layer.weight.permute(2, 3, 1, 0).shape), tuple(layer.bias.shape)]
        found = [array.shape for array in arrays]
        if found != expected:
            raise DataError(f"{path}: layer {name} has shapes {found}, expected {expected}; {_ADVICE}")
        if not all(np.isfinite(array).all() for array in arrays):
            raise DataError(f"{path}: layer {name} has weights that are not finite; {_ADVICE}")
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(arrays[0]).permute(3, 2, 0, 1))
            layer.bias.copy_(torch.from_numpy(arrays[1]))
    return network


def _read_keras(path: Path) -> list[tuple[str, list[Float]]]:
    """Layers that have weights, by name, in stored order, from a weights file or a whole saved model."""
    import h5py

    if not path.is_file():
        raise DataError(f"{path} does not exist; {_ADVICE}")
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            layers = []
            for name in map(_text, group.attrs["layer_names"]):
                names = map(_text, group[name].attrs["weight_names"])
                layers.append((name, [np.asarray(group[name][weight][()], np.float32) for weight in names]))
    except (OSError, KeyError, ValueError, TypeError, AttributeError):
        raise DataError(f"{path} is no Keras weights file in the legacy layout; {_ADVICE}") from None
    return [(name, arrays) for name, arrays in layers if arrays]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def downloaded_weights() -> Path:
    """Where a download of the authors' file is kept."""
    return Path(torch.hub.get_dir()) / "checkpoints" / "brain-segmentation_weights_128.h5"


def find_weights(weights: str, digest: str | None) -> Path:
    """The weights file to read: a path as it is, or "download" for the authors' file in torch's hub folder.

    The authors publish no digest, so whoever asks for the download says which bytes to accept.

    Args:
        weights: a path, or "download".
        digest: SHA-256 in hexadecimal; needed to download, checked for a path too if given.

    Raises:
        DataError: the file differs from the digest, or cannot be fetched.
    """
    if weights != "download":
        path = Path(weights)
        if digest is not None and path.is_file() and (found := sha256(path)) != digest:
            raise DataError(f"{path} has SHA-256 {found}, not weights_sha256 {digest}; correct either one.")
        return path
    path = downloaded_weights()
    if not path.is_file() or sha256(path) != digest:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(WEIGHTS_URL, str(path), hash_prefix=digest)
        except (OSError, RuntimeError) as error:  # no network; RuntimeError is a wrong digest
            reason = " ".join(str(error).split())
            raise DataError(
                f"the skull-stripping weights cannot be fetched from {WEIGHTS_URL} ({reason}); "
                "download them by hand and put their path into skull_strip.weights."
            ) from None
    return path


def rescale_peak(flair: npt.NDArray[np.floating]) -> U8:
    """Spread a volume's intensities so that the main tissue peak comes to 100 of 255.

    The authors' preprocessing3D.m: the 2nd percentile goes to 0, and the highest bin (of width 2) past
    the fifth rise of the histogram above the median to 100. A volume without such a peak stays as it is.

    Args:
        flair: intensities from 0 to 255, any shape.

    Returns:
        uint8 of the same shape.
    """
    counts, edges = np.histogram(flair, bins=128, range=(0, 256))
    minimum = edges[min(int(np.searchsorted(edges, np.percentile(flair, 2), side="right")), 128)]
    middle = int(np.searchsorted(edges, np.percentile(flair, 50)))
    rises = middle + np.flatnonzero(counts[middle:] > np.concatenate([counts[:1], counts])[middle:-1])
    if len(rises) < 5 or rises[4] + 1 >= len(counts):
        return np.rint(flair).astype(np.uint8)
    start = rises[4] + 1
    maximum = minimum + 2.55 * (edges[start + counts[start:].argmax()] - minimum)
    return np.rint(255 * ((flair - minimum) / (maximum - minimum)).clip(0, 1)).astype(np.uint8)


class MazurowskiStripper:
    """The authors' network and post-processing on the CPU."""

    def __init__(self, weights: str, digest: str | None = None) -> None:
        self._network = load_network(find_weights(weights, digest))

    def brain_mask(self, flair: U8) -> Bool:
        """Find the brain in uint8 [n, height, width]: largest 3-D component, then a convex hull per slice.

        Slices are resized so that the shorter side is 256. Unlike the authors' preprocessing nothing is
        cropped to a square: the network is fully convolutional, so the longer side may stay.
        """
        return hull_slices(largest_component(self._probability(flair) >= 0.5))

    def _probability(self, flair: U8) -> Float:
        import cv2

        height, width = flair.shape[1:]
        scale = SIDE / min(height, width)
        size = (round(width * scale), round(height * scale))
        resized = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in flair])
        sides = [(0, -side % 16) for side in resized.shape[1:]]
        # Slices that do not exist, like the padding, are black before normalisation.
        padded = np.pad(rescale_peak(resized), [(1, 1), *sides]).astype(np.float32)
        stack = torch.from_numpy((padded - MEAN) / STD)
        triples = torch.stack([stack[:-2], stack[1:-1], stack[2:]], dim=1)
        with torch.inference_mode():
            found = torch.cat([self._network(batch) for batch in triples.split(_BATCH)])[:, 0].numpy()
        found = found[:, : size[1], : size[0]]
        return np.stack([cv2.resize(plane, (width, height)) for plane in found])


def hull_slices(mask: Bool) -> Bool:
    """Replace what each slice of bool [n, height, width] holds by its convex hull."""
    from skimage.morphology import convex_hull_image

    return np.stack([convex_hull_image(plane) if plane.any() else plane for plane in mask])
