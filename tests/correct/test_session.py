"""A correction from its first action to the files: what each action does, what undo takes back, what stays."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.cohort.verify import _records
from brainseg.correct.saved import is_saved, save
from brainseg.correct.session import Session, journal_name
from brainseg.correct.steps import read_step
from brainseg.correct.strokes import stroke
from brainseg.errors import DataError
from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.scan import Scan
from brainseg.view.result import find_result
from tests.correct.made import SIDE, N, around, make_results


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("session"))


@pytest.fixture
def out(predicted, tmp_path):
    shutil.copytree(predicted, tmp_path / "out")
    return tmp_path / "out"


def opened(out, case="turned"):
    """A session of a case, and what its JSON says."""
    result = find_result(out / f"{case}.json")
    scan = result.case.read(trust=True)
    automatic = scan.origin.read_mask(out, case)
    ticks = iter(range(1000))
    session = Session(scan, automatic, out, clock=lambda: f"2026-01-01T00:00:{next(ticks):02}+00:00")
    session.answer = around
    return session, json.loads((out / f"{case}.json").read_text())


def do(session, name, at, **more):
    return session.do(read_step({"do": name, "slice": at, **more}))


def test_every_action_does_what_it_says_and_undo_takes_it_back(out):
    session, _ = opened(out)
    automatic, seen = session.automatic.copy(), [session.mask.copy()]
    expected = automatic.copy()

    def check():
        np.testing.assert_array_equal(session.mask, expected)
        seen.append(session.mask.copy())

    do(session, "clear", 2)
    expected[2] = False
    check()
    turned = do(session, "brush", 2, radius=3, points=[[10, 10], [10, 20]])
    expected[2] = stroke([(10, 10), (10, 20)], 3, (SIDE, SIDE))
    check()
    assert list(turned) == [2]
    assert sum(turned[2][1::2]) == expected[2].sum()
    do(session, "erase", 2, radius=1, points=[[10, 15]])
    expected[2] &= ~stroke([(10, 15)], 1, (SIDE, SIDE))
    check()
    do(session, "fill", 2, row=10, column=15)
    expected[2] |= stroke([(10, 15)], 1, (SIDE, SIDE))
    check()
    do(session, "click", 4, row=30, column=5, tumour=True)
    for i in (4, 5):
        expected[i] |= stroke([(30, 5)], 4, (SIDE, SIDE))
    check()
    do(session, "accept", 4)
    expected[4] = automatic[4]
    check()
    assert session.marks == {2: "corrected", 4: "accepted", 5: "carried"}
    assert session.by_hand == {2, 4}
    for before in reversed(seen[:-1]):
        session.undo()
        np.testing.assert_array_equal(session.mask, before)
    assert session.can == {"undo": False, "redo": True}
    with pytest.raises(DataError, match="nothing to undo"):
        session.undo()
    for after in seen[1:]:
        session.redo()
        np.testing.assert_array_equal(session.mask, after)
    session.undo()
    do(session, "clear", 6)
    with pytest.raises(DataError, match="nothing to redo"):
        session.redo()
    session.close()


def test_a_click_leaves_slices_alone_that_were_done_by_hand(out):
    session, _ = opened(out)
    do(session, "clear", 5)
    assert list(do(session, "click", 4, row=30, column=5, tumour=True)) == [4]
    assert not session.mask[5].any()
    session.close()


def test_interpolation_runs_between_the_two_corrected_slices_around(out):
    session, _ = opened(out)
    with pytest.raises(DataError, match="needs a corrected slice below this one and one above"):
        do(session, "interpolate", 3)
    for at in (1, 5):
        do(session, "clear", at)
        do(session, "brush", at, radius=4 + 2 * at, points=[[32, 32]])
    assert list(do(session, "interpolate", 3)) == [2, 3, 4]
    area = session.mask.sum((1, 2))
    assert (np.diff(area[1:6]) > 0).all()
    assert session.marks[3] == "interpolated"
    with pytest.raises(DataError, match="this slice was done by hand"):
        do(session, "interpolate", 5)
    do(session, "clear", 5)
    with pytest.raises(DataError, match="has no tumour, so there is nothing between"):
        do(session, "interpolate", 3)
    session.close()


def test_it_goes_on_where_it_ended_without_asking_for_answers_again(out):
    session, _ = opened(out)
    do(session, "click", 4, row=30, column=5, tumour=True)
    do(session, "clear", 2)
    session.undo()
    mask, clicks = session.mask.copy(), session.clicks
    session.close()
    session, _ = opened(out)
    session.answer = None  # would fail
    np.testing.assert_array_equal(session.mask, mask)
    assert session.clicks == clicks
    session.redo()
    assert session.by_hand == {2, 4}
    session.close()


def test_another_mask_and_a_damaged_line_are_one_sentence(out):
    session, _ = opened(out)
    do(session, "clear", 4)
    do(session, "clear", 5)
    session.close()
    path = out / journal_name("turned")
    text = path.read_text()
    for old, new in (
        ('"n":1', '"n":7'),
        ('"do":"clear"', '"do":"dance"'),
        ('"slice":5', '"slice":500'),
        ('"5":[', '"5":[0,9999,'),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(DataError, match=r"line [23] of .* is no action on this mask"):
            opened(out)
    path.write_text(text)
    mask = nib.load(out / "turned_mask.nii.gz")
    nib.save(nib.Nifti1Image(1 - np.asanyarray(mask.dataobj), None, mask.header), out / "turned_mask.nii.gz")
    with pytest.raises(DataError, match=r"journal of another mask \(automatic_sha256 differ\)"):
        opened(out)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"do": "dance", "slice": 1},
        {"do": "clear"},
        {"do": "clear", "slice": -1},
        {"do": "clear", "slice": "1"},
        {"do": "clear", "slice": 1, "path": "/etc/passwd"},
        {"do": "click", "slice": 1, "row": 1.5, "column": 1, "tumour": True},
        {"do": "click", "slice": 1, "row": 1, "column": 1, "tumour": "yes"},
        {"do": "brush", "slice": 1, "radius": 3, "points": []},
        {"do": "brush", "slice": 1, "radius": 3, "points": [[1, 1]] * 5000},
        {"do": "brush", "slice": 1, "radius": 1e9, "points": [[1, 1]]},
        {"do": "brush", "slice": 1, "radius": 3, "points": [[float("nan"), 1]]},
    ],
)
def test_what_is_no_action_is_refused(content):
    with pytest.raises(ValueError, match=r"."):
        read_step(content)


def test_a_place_outside_of_the_scan_is_refused(out):
    session, _ = opened(out)
    for step in ({"do": "clear", "slice": N}, {"do": "fill", "slice": 0, "row": SIDE, "column": 0}):
        with pytest.raises(DataError, match="outside of the scan"):
            session.do(read_step(step))
    assert session.steps == []
    session.close()


def test_nifti_is_saved_in_the_scan_s_geometry_bit_for_bit(out):
    session, said = opened(out)
    with pytest.raises(DataError, match="nothing was corrected"):
        save(session, said, "Jane Doe")
    do(session, "click", 4, row=30, column=5, tumour=True)
    do(session, "accept", 2)
    with pytest.raises(DataError, match="type a name"):
        save(session, said, " ")
    assert not is_saved(session)
    record = save(session, said, "Jane  Doe")
    assert is_saved(session)
    automatic, corrected = (nib.load(out / f"turned_{end}.nii.gz") for end in ("mask", "corrected"))
    assert corrected.header == automatic.header
    scan = nib.load(session.scan.sources[0])
    assert corrected.affine.tobytes() == scan.affine.tobytes()
    np.testing.assert_array_equal(session.scan.origin.read_mask(out, "turned", "_corrected"), session.mask)
    assert record == json.loads((out / "turned_corrected.json").read_text())
    assert (record["corrects"], record["annotator"]) == ("turned", "Jane Doe")
    assert record["slices"] == {"accepted": [2], "carried": [5], "corrected": [4]}
    assert record["clicks"] == [{"slice": 4, "row": 30, "column": 5, "tumour": True}]
    assert record["actions"] == {"accept": 1, "click": 1}
    both = int((session.mask & session.automatic).sum())
    dice = 2 * both / (session.mask.sum() + session.automatic.sum())
    assert record["dice_to_automatic"] == pytest.approx(dice, abs=1e-6)
    assert record["trust_before"] == said["trust"]
    assert (record["begun"], record["last_action"]) == ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00")
    do(session, "clear", 2)
    assert not is_saved(session)
    assert save(session, said, "Jane Doe")["slices"]["cleared"] == [2]  # in place of the first
    session.close()
    # what looks for results does not take a correction for one
    assert [path.name for path, _ in _records(out)] == ["study.json", "tifs.json", "turned.json"]
    with pytest.raises(DataError, match="holds 3 results"):
        find_result(out)


def test_tif_slices_and_a_dicom_seg_are_saved_beside_the_automatic_ones(out):
    session, said = opened(out, "tifs")
    do(session, "clear", 4)
    record = save(session, said, "Jane Doe")
    assert record["slices"] == {"cleared": [7]}  # as the files are numbered
    for i in range(N):
        plane = tifffile.imread(out / "tifs" / f"tifs_{i + 3}_corrected.tif")
        np.testing.assert_array_equal(plane, session.mask[i] * np.uint8(255))
    session.close()
    session, said = opened(out, "study")
    do(session, "clear", 4)
    assert save(session, said, "Jane^Doe")["warnings"] == []
    session.close()
    automatic, seg = (pydicom.dcmread(out / f"study{end}_seg.dcm") for end in ("", "_corrected"))
    assert (seg.SegmentSequence[0].SegmentAlgorithmType, str(seg.ContentCreatorName)) == ("SEMIAUTOMATIC", "Jane Doe^")
    assert automatic.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == automatic.ReferencedSeriesSequence[0].SeriesInstanceUID


def test_nothing_of_the_user_s_is_replaced(out):
    (out / "turned_corrected.nii.gz").write_bytes(b"mine")
    session, said = opened(out)
    do(session, "clear", 4)
    with pytest.raises(DataError, match=r"turned_corrected\.nii\.gz is in the way"):
        save(session, said, "Jane Doe")
    assert (out / "turned_corrected.nii.gz").read_bytes() == b"mine"
    (out / "turned_corrected.nii.gz").unlink()
    save(session, said, "Jane Doe")
    (out / "turned_corrected.nii.gz").write_bytes(b"changed in another program")
    do(session, "clear", 5)
    with pytest.raises(DataError, match="was changed or damaged since"):
        save(session, said, "Jane Doe")
    assert (out / "turned_corrected.nii.gz").read_bytes() == b"changed in another program"
    session.close()


def test_the_scan_may_vanish_meanwhile(out, tmp_path):
    """What was read is enough to save; only opening needs the files."""
    session, said = opened(out)
    do(session, "clear", 4)
    shutil.move(out, tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is gone; put it back"):
        save(session, said, "Jane Doe")
    with pytest.raises(OSError, match="gone"):
        do(session, "clear", 5)
    np.testing.assert_array_equal(session.mask[5], session.automatic[5])
    shutil.move(tmp_path / "elsewhere", out)
    save(session, said, "Jane Doe")
    session.close()


STEP = st.one_of(
    st.builds(dict, do=st.sampled_from(["accept", "clear", "interpolate"]), slice=st.integers(0, 4)),
    st.builds(dict, do=st.just("fill"), slice=st.integers(0, 4), row=st.integers(0, 15), column=st.integers(0, 15)),
    st.builds(
        dict,
        do=st.just("click"),
        slice=st.integers(0, 4),
        row=st.integers(0, 15),
        column=st.integers(0, 15),
        tumour=st.booleans(),
    ),
    st.builds(
        dict,
        do=st.sampled_from(["brush", "erase"]),
        slice=st.integers(0, 4),
        radius=st.floats(0.5, 6),
        points=st.lists(st.tuples(st.floats(-3, 18), st.floats(-3, 18)).map(list), min_size=1, max_size=3),
    ),
    st.just("undo"),
    st.just("redo"),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_whatever_is_done_comes_back_and_can_all_be_undone(steps):
    automatic = np.zeros((5, 16, 16), bool)
    automatic[1:4, 4:10, 5:12] = True
    scan = Scan("a", np.zeros((5, 16, 16, 3), np.uint8), None, np.arange(5), ("flair",), (), (), ArrayOrigin())
    with TemporaryDirectory() as folder:
        session = Session(scan, automatic, Path(folder))
        session.answer = around
        for step in steps:
            with suppress(DataError):  # of actions that have no meaning there
                session.do(read_step(step)) if isinstance(step, dict) else getattr(session, step)()
        mask, marks, clicks = session.mask.copy(), session.marks, session.clicks
        session.close()
        again = Session(scan, automatic, Path(folder))
        np.testing.assert_array_equal(again.mask, mask)
        assert (again.marks, again.clicks) == (marks, clicks)
        while again.can["undo"]:
            again.undo()
        np.testing.assert_array_equal(again.mask, automatic)
        again.close()
