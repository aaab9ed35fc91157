"""The networks: U-Net and U-Net++ on a pretrained encoder, and the plain U-Net of the original text."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, library, nn

from brainseg.data.slices import Float
from brainseg.errors import DataError, ParamsError
from brainseg.model.architecture import LITE0, PLAIN, NetworkParams
from brainseg.model.encoder_weights import load_encoder_weights
from brainseg.params import Choices


def build_network(architecture: str, params: NetworkParams, channels: int = 3, *, initial: bool = True) -> nn.Module:
    """Build a network that maps float32 [b, channels, s, s] to logits [b, 1, s, s], s a multiple of 32.

    Args:
        architecture: a name in `BUILDERS`: `unet` (Ronneberger et al. 2015) or `unetpp` (Zhou et al. 2018).
        params: the encoder and the widths.
        channels: of the input. The first three get the encoder's initial weights and the others start at 0, so
            that learning starts from what the pretrained encoder makes of a single slice.
        initial: load the encoder's initial weights; False where a state dict follows.

    Raises:
        ParamsError: unknown network, unknown or unfit encoder, or `plain` asked of U-Net++.
        DataError: the encoder's weights cannot be had.
    """
    if architecture not in BUILDERS:
        raise ParamsError(f"there is no network {architecture!r}, expected {' or '.join(BUILDERS)}.")
    return widen(BUILDERS[architecture](params, initial), channels)


def _unet(params: NetworkParams, initial: bool) -> nn.Module:
    if params.encoder == PLAIN:
        return PlainUNet(list(reversed(params.decoder_channels)))
    return _with_encoder(import_smp().Unet, "unet", params, initial)


def _unetpp(params: NetworkParams, initial: bool) -> nn.Module:
    if params.encoder == PLAIN:
        raise ParamsError("unetpp.encoder is 'plain', which is a U-Net; set unet.encoder instead.")
    return _with_encoder(import_smp().UnetPlusPlus, "unetpp", params, initial)


BUILDERS: Choices[Callable[[NetworkParams, bool], nn.Module]] = Choices({"unet": _unet, "unetpp": _unetpp})


def _with_encoder(kind: Callable[..., Any], architecture: str, params: NetworkParams, initial: bool) -> nn.Module:
    """One of smp's networks, with its encoder's first weights where `initial`."""
    _require_encoder(import_smp(), architecture, params.encoder)
    download = initial and params.encoder_weights == "imagenet"
    try:
        network = kind(
            params.encoder,
            encoder_depth=len(params.decoder_channels),
            encoder_weights="imagenet" if download else None,
            decoder_channels=tuple(params.decoder_channels),
            in_channels=3,
            classes=1,
        )
    except Exception as error:
        if isinstance(error, ValueError):  # e.g. a transformer of timm, which has no pyramid of maps
            raise ParamsError(
                f"{architecture}.encoder {params.encoder!r} with {len(params.decoder_channels)} decoder_channels "
                f"cannot be built ({' '.join(str(error).split())}); choose another encoder, for example {LITE0}."
            ) from None
        if not download:
            raise
        raise DataError(
            f"the ImageNet weights of {params.encoder} cannot be downloaded ({type(error).__name__}); set "
            f"{architecture}.encoder_weights to packaged, none or the path of a state dict."
        ) from None
    if initial and params.encoder_weights not in ("imagenet", "none"):
        load_encoder_weights(network.encoder, params.encoder_weights)
    return network


def widen(network: nn.Module, channels: int) -> nn.Module:
    """Let the first convolution, of three channels, take more; those added have weight 0."""
    if channels == 3:
        return network
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    weight = torch.zeros(len(first.weight), channels, *first.weight.shape[2:])
    weight[:, :3] = first.weight.detach()
    first.in_channels, first.weight = channels, nn.Parameter(weight)
    return network


def channels_last(network: nn.Module) -> nn.Module:
    """Lay the convolutions' weights out with the channel last, which is faster on CPUs and tensor cores."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _require_encoder(smp: ModuleType, architecture: str, name: str) -> None:
    import timm

    known = timm.list_models() if name.startswith("tu-") else smp.encoders.get_encoder_names()
    if name.removeprefix("tu-") not in known:
        raise ParamsError(
            f"{architecture}.encoder is {name!r}, which segmentation_models_pytorch does not have; "
            f"expected for example {LITE0}, resnet18 or plain."
        )


class Probabilities:
    """A network of torch as what `brainseg.model.forward` asks for: arrays in, probabilities out.

    Args:
        network: gives logits; in eval mode, on any device.
    """

    def __init__(self, network: nn.Module):
        self._network = network
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def __call__(self, inputs: Float) -> Float:
        """Probabilities float32 [b, 1, s, s] of float32 [b, channels, s, s]."""
        batch = torch.from_numpy(inputs).to(self._device).contiguous(memory_format=torch.channels_last)
        return self._network(batch).float().sigmoid().cpu().numpy()


class DoubleConvolution(nn.Sequential):
    """Twice: 3x3 convolution, batch norm, ReLU."""

    def __init__(self, inside: int, outside: int):
        layers: list[nn.Module] = []
        for width in (inside, outside):
            layers += [nn.Conv2d(width, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        super().__init__(*layers)


class PlainUNet(nn.Module):
    """U-Net (Ronneberger, Fischer, Brox 2015) with batch norm and padded convolutions.

    Channels double at each 2x2 max pooling; 2x2 transposed convolutions halve them on the way up,
    where the encoder's map of that level is concatenated; a 1x1 convolution gives the logits.

    Args:
        widths: channels of each level, shallowest first.
    """

    def __init__(self, widths: list[int]):
        super().__init__()
        down = [3, *widths]
        self.down = nn.ModuleList(DoubleConvolution(a, b) for a, b in pairwise(down))
        up = list(reversed(widths))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairwise(up))
        self.up = nn.ModuleList(DoubleConvolution(2 * b, b) for b in up[1:])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, 1, s, s] of float32 [b, 3, s, s]."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([skips.pop(), grow(x)], 1))
        return self.head(x)


def import_smp() -> ModuleType:
    """Import segmentation_models_pytorch, also where torchvision's binary part does not fit torch.

    torchvision from PyPI is built for CUDA; beside a CPU-only torch its compiled operators do not load
    and importing it stops at their registration. No operator of it is used here, so declaring the
    missing names is enough.
    """
    for _ in range(8):
        try:
            import segmentation_models_pytorch as smp

            return smp
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if not missing:
                raise
            _declare(missing[1])
            for name in [m for m in sys.modules if m.split(".")[0] in ("torchvision", "timm")]:
                del sys.modules[name]
            for name in [m for m in sys.modules if m.split(".")[0] == "segmentation_models_pytorch"]:
                del sys.modules[name]
    raise RuntimeError("torchvision cannot be imported beside this torch; install matching builds of both")


_declared: list[library.Library] = []


def _declare(operator: str) -> None:
    operators = library.Library("torchvision", "FRAGMENT")
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(operators)  # the declaration lives as long as the object
