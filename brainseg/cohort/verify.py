"""Whether a result comes out again: the same scan, the same weights, predicted anew and compared voxel by voxel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import brainseg
from brainseg.cohort.records import CORRECTS, OWN, Record, are_there, read_record
from brainseg.errors import DataError
from brainseg.inference.models import LoadedModels, load_models
from brainseg.scans.cases import Case
from brainseg.segmentation.segmenter import Segmenter

END = ".json"


@dataclass(frozen=True)
class Verified:
    """One result, compared with the mask that comes out today.

    Attributes:
        case: its name.
        voxels: of the mask on the disk.
        differing: voxels that are in one of the masks alone.
        slices: where they are, by the slices' numbers.
        version: of brainseg that made it, where it is another one than today's; else empty.
    """

    case: str
    voxels: int
    differing: int
    slices: tuple[int, ...]
    version: str

    def __str__(self) -> str:
        if self.differing:
            where = (
                f"slices {min(self.slices)} to {max(self.slices)}"
                if len(self.slices) > 1
                else f"slice {self.slices[0]}"
            )
            found = f"{self.differing} voxels differ, in {where}"
        else:
            found = f"the same {self.voxels} voxels of tumour"
        return f"{self.case}: {found}{f' (made by brainseg {self.version})' if self.version else ''}"


def verify(result: Path, weights: Path | None = None) -> Iterator[Verified]:
    """Predict the scans of results again, as they were predicted.

    Args:
        result: `<case>.json`, or a folder of results: all of them.
        weights: that the results were made with; the shipped ones if None.

    Raises:
        DataError: no result, an unfinished one, or one that cannot come out again: its files, its scan or the weights
            are other ones, or missing.
    """
    loaded: dict[str, LoadedModels] = {}
    for path, record in _records(result):
        yield _verify(path, record.content, weights, loaded)


def _records(result: Path) -> list[tuple[Path, Record]]:
    if not result.exists():
        raise DataError(f"{result} does not exist; name the <case>.json that brainseg predict wrote, or its folder.")
    if not result.is_dir():
        return [(result, _record(result))]
    candidates = sorted(result.glob(f"[!.]*{END}"))
    found = [(path, _record(path)) for path in candidates if _is_prediction(path.read_bytes())]
    if not found:
        raise DataError(
            f"{result} holds no <case>.json that brainseg predict wrote; name its --out folder, or the file."
        )
    return found


def _is_prediction(text: bytes) -> bool:
    """A person's correction is a record of brainseg, too, and none that could come out again."""
    return OWN.encode() in text and CORRECTS.encode() not in text


def _record(path: Path) -> Record:
    record = read_record(path, path.name.removesuffix(END))
    if not record.whole or "fingerprint" not in record.content:
        raise DataError(f"{path} is unfinished; run brainseg predict again.")
    if wrong := [name for name, digests in record.files.items() if not are_there(path.parent, {name: digests})]:
        more = f" and {len(wrong) - 1} more files" if len(wrong) > 1 else ""
        raise DataError(
            f"{path.parent / wrong[0]}{more} is missing or was changed since; it is not what was predicted."
        )
    return record


def _verify(path: Path, said: dict[str, Any], weights: Path | None, loaded: dict[str, LoadedModels]) -> Verified:
    case = Case.recorded(said)
    for place in case.paths.values():
        if not place.exists():
            raise DataError(f"{path} was made from {place}, which does not exist; put the scan back there.")
    if case.digest != said["input_sha256"]:
        raise DataError(f"{path} was made from other files than lie at {case.paths['flair']} now; put them back.")
    made, settings = said["made_by"], said.get("settings", {})
    models = _models(path, made, weights, loaded)
    trust = bool(settings.get("trust_input"))
    scan = case.read(trust=trust)
    again = Segmenter(models, tta=made["tta"])(scan, stripped=settings.get("stripped"), trust=trust).mask
    mask = scan.origin.read_mask(path.parent, case.name)
    differing = mask != again
    return Verified(
        case=case.name,
        voxels=int(mask.sum()),
        differing=int(differing.sum()),
        slices=tuple(int(scan.slices[i]) for i in np.flatnonzero(differing.any((1, 2)))),
        version="" if made["brainseg"] == brainseg.__version__ else made["brainseg"],
    )


def _models(path: Path, made: dict[str, Any], weights: Path | None, loaded: dict[str, LoadedModels]) -> LoadedModels:
    """The models that made the result, loaded once for all results of theirs."""
    how = {key: made[key] for key in ("device", "runtime", "precision")}
    key = str([made["model"], how])
    if key not in loaded:
        loaded[key] = load_models(weights, made["model"], **how)
    if loaded[key].digests != made["weights_sha256"]:
        raise DataError(
            f"{path} was made with other weights than {weights or 'the shipped ones'}; name them by --weights."
        )
    return loaded[key]
