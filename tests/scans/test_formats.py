"""What holds of every format in the table, and of one that is added to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.cases import find_cases
from brainseg.scans.format import Format
from brainseg.scans.formats import FORMATS
from brainseg.scans.scan import CORRECTED_SUFFIX, PROBABILITY_SUFFIX, Image, Origin, Scan, fill_sequences
from brainseg.view.result import find_result
from brainseg.view.volumes import make_volumes
from tests.cohort.fakes import predict
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, write_tifs

STACK = np.random.default_rng(3).integers(0, 256, (12, 60, 70), np.uint8)
MASK, PROBABILITY = STACK > 200, STACK.astype(np.float32) / 255
REPORT = {
    "tumour": {"voxels": 7, "volume_ml": 1.0, "rano": None},
    "trust": {"dice": 0.9, "dice_low": 0.8, "level": "good"},
    "made_by": {"model": "fake"},
}


class NpyOrigin(Origin):
    """An axial stack, as is."""

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        for end, stack in maps.items():
            np.save(out / f"{name}{end}.npy", stack.astype(np.uint8) if stack.dtype == bool else stack)
        return []

    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        path = out / f"{name}{end}.npy"
        if not path.is_file():
            raise DataError(f"{path} does not exist; run brainseg predict again.")
        return np.load(path) > 0


class NpyFormat(Format):
    """Files of one array, each a case."""

    inputs = "a .npy file"

    def cases(self, path: Path) -> list[Path]:
        return [path] if path.suffix == ".npy" else []

    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        return [f"{name}{end}.npy" for end in ends]

    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        stack = np.load(paths["flair"])
        return Scan(
            name=name,
            images=fill_sequences({"flair": stack}),
            spacing=None,
            slices=np.arange(len(stack)),
            given=("flair",),
            sources=(paths["flair"],),
            warnings=(),
            origin=NpyOrigin(),
        )


@pytest.fixture
def npy(monkeypatch):
    monkeypatch.setitem(FORMATS, "npy", NpyFormat())


def name_of(kind: str) -> str:
    """Of the case in `write_scan`."""
    return "sub-scan" if kind == "bids" else "scan"


def write_scan(kind: str, folder: Path) -> Path:
    """`STACK` as a scan called `name_of(kind)`: the FLAIR of the case, which is also what a user names."""
    path = folder / "scan"
    folder.mkdir(exist_ok=True)
    match kind:
        case "tif":
            write_tifs(path, STACK)
        case "tif_stack":
            path = folder / "scan.tif"
            tifffile.imwrite(path, STACK)
        case "nifti":
            path = folder / "scan.nii.gz"
            image = as_nifti(STACK)
            nib.save(image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])), path)
        case "bids":
            path = folder / "sub-scan" / "anat" / "sub-scan_FLAIR.nii.gz"
            path.parent.mkdir(parents=True)
            nib.save(as_nifti(STACK), path)
        case "dicom":
            write_series(path, STACK, "FLAIR")
        case "npy":
            path = folder / "scan.npy"
            np.save(path, STACK)
        case _:
            raise AssertionError(f"{kind} has no example here: add one")
    return path


def named(kind: str, path: Path) -> list[Path]:
    """What a user names for it."""
    return [path.parents[2] if kind == "bids" else path]


every_kind = pytest.mark.parametrize("kind", [*FORMATS, "npy"])


@every_kind
def test_a_scan_is_found_and_called_after_its_path(tmp_path, npy, kind):
    path = write_scan(kind, tmp_path / "in")
    (case,) = find_cases(named(kind, path))
    assert (case.name, case.kind, case.paths) == (name_of(kind), kind, {"flair": path})
    assert FORMATS[kind].files(path)
    with pytest.raises(DataError, match=f"no input is named; name .*{FORMATS[kind].inputs}"):
        find_cases([])


@every_kind
def test_a_scan_is_the_axial_stack_that_was_written(tmp_path, npy, kind):
    (case,) = find_cases(named(kind, write_scan(kind, tmp_path / "in")))
    scan = case.read()
    np.testing.assert_array_equal(scan.images[..., 1], STACK)
    assert (scan.name, scan.given, scan.truth) == (name_of(kind), ("flair",), None)
    assert (scan.spacing is None) == (scan.origin.affine is None)


@every_kind
def test_what_is_written_was_planned_and_is_read_back(tmp_path, npy, kind):
    path = write_scan(kind, tmp_path / "in")
    scan, name = find_cases(named(kind, path))[0].read(), name_of(kind)
    out = tmp_path / "out"
    out.mkdir()
    maps = {MASK_SUFFIX: MASK, PROBABILITY_SUFFIX: PROBABILITY}
    assert scan.origin.write(out, name, maps, "fake") == scan.origin.write_report(out, name, REPORT) == []
    written = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    planned = FORMATS[kind].planned(name, path, list(maps))
    assert written == {file for file in planned if not file.endswith(".tsv")}  # a table is the report's
    np.testing.assert_array_equal(scan.origin.read_mask(out, name), MASK)


@every_kind
def test_a_corrected_mask_lies_beside_it_under_its_own_name(tmp_path, npy, kind):
    path = write_scan(kind, tmp_path / "in")
    scan, name = find_cases(named(kind, path))[0].read(), name_of(kind)
    out = tmp_path / "out"
    out.mkdir()
    assert scan.origin.write(out, name, {CORRECTED_SUFFIX: ~MASK}, "fake", "Jane Doe") == []
    written = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    planned = set(FORMATS[kind].planned(name, path, [CORRECTED_SUFFIX]))
    assert written == {file for file in planned if not file.endswith(".tsv")}
    assert all("corrected" in file for file in written)
    assert not written & set(FORMATS[kind].planned(name, path, [MASK_SUFFIX]))
    np.testing.assert_array_equal(scan.origin.read_mask(out, name, CORRECTED_SUFFIX), ~MASK)


@every_kind
def test_what_is_stored_lies_where_its_affine_says(tmp_path, npy, kind):
    scan = find_cases(named(kind, write_scan(kind, tmp_path / "in")))[0].read()
    stored = scan.origin.stored(MASK)
    assert stored.sum() == MASK.sum()
    if scan.origin.affine is None:
        np.testing.assert_array_equal(stored, MASK.T)
    else:
        np.testing.assert_allclose(sorted(nib.affines.voxel_sizes(scan.origin.affine)), sorted(scan.spacing), rtol=1e-5)
        turned = nib.as_closest_canonical(nib.Nifti1Image(stored.astype(np.uint8), scan.origin.affine))
        np.testing.assert_array_equal(np.asanyarray(turned.dataobj)[::-1, ::-1].T, MASK)


@every_kind
def test_a_mask_that_is_missing_is_one_sentence(tmp_path, npy, kind):
    scan = find_cases(named(kind, write_scan(kind, tmp_path / "in")))[0].read()
    with pytest.raises(DataError, match=r"scan.*_mask.* does not exist"):
        scan.origin.read_mask(tmp_path, name_of(kind))


@every_kind
def test_predict_names_the_format_and_view_shows_the_mask(tmp_path, npy, kind):
    inputs, name = named(kind, write_scan(kind, tmp_path / "in")), name_of(kind)
    outcome = predict(inputs, tmp_path / "out", probability=True)[name]
    assert (outcome.status, outcome.report["kind"]) == ("done", kind)
    assert predict(inputs, tmp_path / "out", probability=True)[name].status == "skipped"
    said = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert said["kind"] == kind
    result = find_result(tmp_path / "out" / f"{name}.json")
    bright = STACK.mean() < STACK  # what the fake segmenter marks
    np.testing.assert_array_equal(result.case.read().origin.read_mask(tmp_path / "out", name), bright)
    remarks = make_volumes(result).remarks
    assert [text for text in remarks if "was changed after" in text] == []


def test_a_format_that_takes_no_sequences_and_has_no_truth_says_so(tmp_path, npy):
    path = write_scan("npy", tmp_path)
    with pytest.raises(DataError, match=r"scan\.npy is no scan; name .* a DICOM folder or a \.npy file"):
        find_cases([], {"flair": path})
    with pytest.raises(
        DataError, match=r"scan\.npy is no TIF of several .* or TIF slice or folder of them: --score needs"
    ):
        find_cases([path])[0].read(truth=True)


def test_an_array_is_written_back_as_an_array(tmp_path):
    origin = ArrayOrigin()
    assert origin.write(tmp_path, "volume", {MASK_SUFFIX: MASK, PROBABILITY_SUFFIX: PROBABILITY}, "fake") == []
    np.testing.assert_array_equal(origin.read_mask(tmp_path, "volume"), MASK)
    np.testing.assert_array_equal(np.load(tmp_path / "volume_probability.npy"), PROBABILITY)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3)])
def test_the_affine_of_an_origin_is_in_millimetres(tmp_path, unit, factor):
    image = as_nifti(STACK, (12.0 * factor, 1.875 * factor, 1.875 * factor))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "scan.nii")
    (case,) = find_cases([tmp_path / "scan.nii"])
    assert nib.affines.voxel_sizes(case.read().origin.affine) == pytest.approx((1.875, 1.875, 12.0))
