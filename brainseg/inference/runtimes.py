"""What runs a network: one entry a runtime, each with a file of its own that is imported when it is chosen."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from brainseg.errors import DataError, install

if TYPE_CHECKING:  # the command line reads the table and loads no arrays
    from brainseg.model.forward import Network

AUTO = "auto"
FLOAT32 = "float32"
INT8 = "int8"


@dataclass(frozen=True)
class Runtime:
    """What runs a network.

    Attributes:
        packages: that have to be installed.
        extra: of pyproject.toml that brings them; None if everybody has them.
        devices: that it runs on.
        precisions: of its arithmetic.
        load: makes a network of its .safetensors, that file's SHA-256, a device and a precision.
        sees: whether this machine has one of the devices; asked only where the packages are installed.
    """

    packages: tuple[str, ...]
    extra: str | None
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    load: Callable[[Path, str, str, str], Network]
    sees: Callable[[str], bool]

    @property
    def missing(self) -> str | None:
        """A package that is not installed."""
        return next((name for name in self.packages if not _is_installed(name)), None)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # something keeps it from being imported
        return False


def _openvino(path: Path, digest: str, device: str, precision: str) -> Network:
    from brainseg.inference.openvino import load_network

    return load_network(path, digest, precision)


def _torch(path: Path, digest: str, device: str, precision: str) -> Network:
    from brainseg.inference.torch import load_network

    return load_network(path, device)


def _torch_sees(device: str) -> bool:
    if device in ("cpu", "cuda"):
        return device == "cpu" or cuda_is_there()
    import torch

    return {"mps": torch.backends.mps, "xpu": torch.xpu}[device].is_available()


# In the order in which `auto` takes them.
RUNTIMES: Mapping[str, Runtime] = {
    "openvino": Runtime(("openvino",), None, ("cpu",), (FLOAT32, INT8), _openvino, lambda device: device == "cpu"),
    "torch": Runtime(
        ("torch", "segmentation_models_pytorch", "timm"),
        "torch",
        ("cpu", "cuda", "mps", "xpu"),
        (FLOAT32,),
        _torch,
        _torch_sees,
    ),
}
DEVICES = tuple(dict.fromkeys(device for runtime in RUNTIMES.values() for device in runtime.devices))
PRECISIONS = tuple(dict.fromkeys(precision for runtime in RUNTIMES.values() for precision in runtime.precisions))


def choose(runtime: str, device: str, precision: str) -> tuple[str, str]:
    """The runtime and the device that a wish comes to.

    `auto` takes CUDA where there is some and something installed that uses it, else the CPU by the first of `RUNTIMES`.
    Other devices have to be named: nothing was measured on them.

    Args:
        runtime: of `RUNTIMES`, or `auto`.
        device: of `DEVICES`, or `auto`.
        precision: of `PRECISIONS`.

    Raises:
        DataError: there is no such name, nothing does all of it, it is not installed, or no such device is there.
    """
    _require_known("runtime", runtime, (AUTO, *RUNTIMES))
    _require_known("device", device, (AUTO, *DEVICES))
    _require_known("precision", precision, PRECISIONS)
    able = [
        name
        for name, entry in RUNTIMES.items()
        if runtime in (AUTO, name) and device in (AUTO, *entry.devices) and precision in entry.precisions
    ]
    if not able:
        wish = [value for value in (runtime, device, precision) if value != AUTO]
        raise DataError(f"nothing runs {' with '.join(wish)}: {_table()}; leave one of the options out.")
    if device == AUTO:
        with_cuda = [name for name in able if "cuda" in RUNTIMES[name].devices and not RUNTIMES[name].missing]
        if with_cuda and cuda_is_there():
            return with_cuda[0], "cuda"
        device = "cpu"
        able = [name for name in able if device in RUNTIMES[name].devices]
    chosen = next((name for name in able if not RUNTIMES[name].missing), able[0])
    if missing := RUNTIMES[chosen].missing:
        raise DataError(
            f"{chosen} on {device} needs {missing}, which is not installed; "
            f"{install(extra) if (extra := RUNTIMES[chosen].extra) else f'run pip install {missing}'}."
        )
    if not RUNTIMES[chosen].sees(device):
        name = device.upper()
        raise DataError(
            f"this {chosen} sees no {name} device; choose --device cpu, or install a build of it for {name}."
        )
    return chosen, device


def _require_known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DataError(f"there is no {what} {value!r}, expected {', '.join(known)}.")


def _table() -> str:
    return ", ".join(
        f"{name} runs {' and '.join(entry.precisions)} on {' and '.join(entry.devices)}"
        for name, entry in RUNTIMES.items()
    )


def cuda_is_there() -> bool:
    """Whether torch sees a CUDA device; where there is no driver it is not asked, which would take two seconds."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()
