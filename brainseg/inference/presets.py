"""What `predict` does unless told otherwise, and what `--fast` means: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from brainseg.errors import UserError
from brainseg.inference.runtimes import AUTO, FLOAT32, INT8, RUNTIMES
from brainseg.model.catalogue import ENSEMBLE

USUAL, FAST = "usual", "fast"


@dataclass(frozen=True)
class Preset:
    """Settings that go together.

    Attributes:
        model: of `MODELS`.
        precision: of `PRECISIONS`.
        tta: average over flips; None does as the model's file says.
    """

    model: str
    precision: str
    tta: bool | None


PRESETS: Mapping[str, Preset] = {
    USUAL: Preset(ENSEMBLE, FLOAT32, None),
    FAST: Preset("unet", INT8, False),  # one network, each slice once
}


def settle(preset: str, given: Mapping[str, Any], runtime: str = AUTO, device: str = AUTO) -> dict[str, Any]:
    """The settings of a preset, and in place of the usual ones those that were given.

    Args:
        preset: of `PRESETS`.
        given: values of the fields of `Preset`; None where not given.
        runtime: of `RUNTIMES`, or `auto`.
        device: of `DEVICES`, or `auto`.

    Raises:
        UserError: `fast` and something else were given.
    """
    means = asdict(PRESETS[preset])
    chosen = {name: value for name, value in given.items() if value is not None}
    if preset != USUAL:
        able = [name for name, entry in RUNTIMES.items() if means["precision"] in entry.precisions]
        devices = [device for name in able for device in RUNTIMES[name].devices]
        against = [_option(name, value) for name, value in chosen.items() if value != means[name]]
        against += [f"--runtime {runtime}"] if runtime not in (AUTO, *able) else []
        against += [f"--device {device}"] if device not in (AUTO, *devices) else []
        if against:
            said = ", ".join(_option(name, value) for name, value in means.items())
            raise UserError(
                f"--{preset} means {said}, by {' or '.join(able)} on {' or '.join(devices)}: leave out "
                f"{', '.join(against)}, or --{preset}."
            )
    return means | chosen


def _option(name: str, value: Any) -> str:
    """As it is typed."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {value}"
