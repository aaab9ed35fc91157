"""Two runs on the same patients: better, worse, or not told apart."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from brainseg.errors import DataError, install
from brainseg.evaluation.statistics import Paired, paired
from brainseg.files import atomic_path
from brainseg.model.catalogue import CATALOGUE

FILE = "per_patient.csv"
RESAMPLES, SEED = 10_000, 0
FEWEST = 6
"""Patients that differ from which on the exact two-sided test can fall below 0.05: 2 / 2^6 = 0.031."""
COLUMNS = ("model", "patient", "dice")
_IEND = bytes.fromhex("0000000049454e44ae426082")
"""How every PNG ends."""


def read_side(name: str) -> pd.DataFrame:
    """Read metrics/per_patient.csv of one side.

    Args:
        name: a folder of metrics, or anything that git or DVC calls a revision: branch, tag, commit, experiment.

    Returns:
        model, patient, dice.

    Raises:
        DataError: neither a folder with the file, nor a revision that has it.
    """
    folder = Path(name)
    if folder.is_dir():
        if not (folder / FILE).is_file():
            raise DataError(f"{folder / FILE} does not exist; give the metrics/ folder of a run.")
        return _parse((folder / FILE).read_text(encoding="utf-8"), str(folder / FILE))
    try:
        import dvc.api
        from dvc.exceptions import DvcException
        from dvc.scm import SCMError
    except ImportError:
        raise DataError(
            f"{name} is no folder, and revisions need DVC; {install('pipeline')}, or give a metrics/ folder."
        ) from None
    try:
        text = dvc.api.read(f"metrics/{FILE}", rev=name)
    except (DvcException, SCMError, OSError):
        raise DataError(
            f"{name} is neither a folder nor a revision with metrics/{FILE} of a repository around this folder; "
            "expected a metrics/ folder, a branch, a commit or an experiment's name."
        ) from None
    return _parse(text, f"metrics/{FILE} of {name}")


def compare(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, tuple[Paired, pd.DataFrame]]:
    """Pair two runs by patient, model by model.

    Args:
        a: model, patient, dice of the first run.
        b: of the second.

    Returns:
        model -> the comparison of whole-volume Dice, b against a, and a row per common patient: patient, a, b, change.

    Raises:
        DataError: no model, or no patient of one, is in both.
    """
    found = {}
    for model in CATALOGUE:
        both = a[a["model"] == model].merge(b[b["model"] == model], on="patient", suffixes=("_a", "_b"))
        if len(both):
            rows = pd.DataFrame({"patient": both["patient"], "a": both["dice_a"], "b": both["dice_b"]})
            rows["change"] = rows["b"] - rows["a"]
            result = paired(rows["a"].tolist(), rows["b"].tolist(), RESAMPLES, SEED)
            found[model] = (result, rows.sort_values(["change", "patient"], ignore_index=True))
    if not found:
        raise DataError("the two runs have no patient in common; compare runs with one split (seed, folds, fold).")
    return found


def sentence(model: str, result: Paired, a: str, b: str) -> str:
    """What one comparison says."""
    label, differing = CATALOGUE[model].label, result.better + result.worse
    said = f"{result.difference:+.4f} mean whole-volume Dice"
    if 0 < differing < FEWEST:
        return (
            f"{label}: too few patients to tell {a} and {b} apart ({said}, {result.better} of {result.n} patients "
            f"better, {result.worse} worse); Wilcoxon's test can give p < 0.05 from {FEWEST} patients on that differ."
        )
    words = {"better": f"{b} is better than {a}", "worse": f"{b} is worse than {a}"}
    verdict = words.get(result.verdict, f"{a} and {b} are not told apart")
    if result.verdict not in words and not result.low <= 0 <= result.high:
        verdict += ": the interval leaves out 0, but the test does not bear it out"
    return (
        f"{label}: {verdict} ({said}, 95% interval {result.low:+.4f} to {result.high:+.4f}; {result.better} of "
        f"{result.n} patients better, {result.worse} worse; Wilcoxon p = {result.p:.2g}, effect {result.effect:+.2f})."
    )


def unpaired(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """Patients that only one run has, sorted."""
    return sorted(set(a["patient"]) ^ set(b["patient"]))


def draw(path: Path, compared: Mapping[str, tuple[Paired, pd.DataFrame]], a: str, b: str) -> None:
    """Write a picture: each patient's Dice in both runs, a panel per model, the largest loss at the top.

    Raises:
        DataError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise DataError(f"the picture needs matplotlib; {install('analysis')}.") from None

    longest = max(len(rows) for _, rows in compared.values())
    figure = Figure((4.2 * len(compared) + 1.5, 0.22 * longest + 1.6), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(compared), squeeze=False)[0]
    for panel, (model, (_, rows)) in zip(panels, compared.items(), strict=True):
        at = range(len(rows))
        colours = ["#D55E00" if change < 0 else "#0072B2" for change in rows["change"]]
        panel.hlines(at, rows["a"], rows["b"], colors=colours, linewidth=2)
        panel.scatter(rows["a"], at, s=16, color="#999999", zorder=3, label=a)
        panel.scatter(rows["b"], at, s=16, color=colours, zorder=3, label=b)
        panel.set(
            yticks=list(at), yticklabels=rows["patient"], title=CATALOGUE[model].label, xlabel="whole-volume Dice"
        )
        panel.tick_params(axis="y", labelsize=7)
        panel.invert_yaxis()
    figure.suptitle(f"grey: {a}; blue: better in {b}; orange: worse", fontsize=9)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    with atomic_path(path) as temporary:
        temporary.write_bytes(_signed(png.getvalue()))


def is_picture(path: Path) -> bool:
    """Whether `draw` wrote this file and nobody changed it since."""
    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    length = len(_chunk(b""))
    return data == _signed(data[: -length - len(_IEND)] + _IEND)


def _signed(png: bytes) -> bytes:
    """With its digest as a text, before the end mark."""
    return png[: -len(_IEND)] + _chunk(png) + _IEND


def _chunk(png: bytes) -> bytes:
    """PNG's chunk of text: length, type, keyword and text, checksum."""
    body = b"tEXtbrainseg compare\0" + hashlib.sha256(png).hexdigest().encode()
    return (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)


def _parse(text: str, where: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.StringIO(text))
        return table[list(COLUMNS)].astype({"model": str, "patient": str, "dice": float})
    except (ValueError, KeyError):
        raise DataError(
            f"{where} is not a table of patients; expected CSV with the columns {', '.join(COLUMNS)}, Dice in numbers."
        ) from None
