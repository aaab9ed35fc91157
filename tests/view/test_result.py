"""Which result is meant, and what the page says of it."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from brainseg.errors import DataError
from brainseg.view.result import find_result, read_report
from brainseg.view.words import facts, page_content


def changed(out, folder, **changes):
    """A copy of the JSON of `turned` with other values."""
    path = folder / "turned.json"
    path.write_text(json.dumps(json.loads((out / "turned.json").read_text()) | changes))
    return path


def test_the_file_or_a_folder_with_one(out, tmp_path):
    result = find_result(out / "tifs.json")
    assert (result.report.case, result.report.kind, result.path) == ("tifs", "tif", out / "tifs.json")
    shutil.copy(out / "turned.json", tmp_path)
    (tmp_path / "other.json").write_text('{"a": 1}')
    result = find_result(tmp_path)
    assert (result.report.case, result.path) == ("turned", tmp_path / "turned.json")
    assert result.case.paths == {"flair": out.parent / "turned.nii.gz"}


def test_several_none_and_nothing(out, tmp_path):
    with pytest.raises(DataError, match=r"holds 3 results \(study.json, tifs.json, turned.json\); name one of them"):
        find_result(out)
    with pytest.raises(DataError, match=r"holds no <case>.json"):
        find_result(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find_result(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[1]", "the whole: input should be"),
        (b'{"case": "a"}', "kind: field required"),
        (b"not JSON", "Expecting value"),
        (b"\xff\xfe\x00", "it is not UTF-8 at byte 0"),
        (b"[" * 100_000, "it nests too deep"),
        (b'{"a":' * 100_000, "it nests too deep"),
        (b"[NaN]", "NaN is no number"),
        (b"[1" + b"0" * 5000 + b"]", "Exceeds the limit"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, text, words):
    path = tmp_path / "x.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=rf"x.json is no <case>.json of brainseg predict \(.*{words}"):
        read_report(path)


def test_what_is_no_file_of_that_size_is_one_sentence(tmp_path):
    path = tmp_path / "x.json"
    os.mkfifo(path)
    for named in (path, tmp_path):  # a folder with nothing but the pipe is not waited for either
        with pytest.raises(DataError, match=r"it is not a regular file|holds no <case>\.json"):
            find_result(named)
    path.unlink()
    with path.open("wb") as handle:
        handle.truncate(1 << 30)
    with pytest.raises(DataError, match=r"x.json is no <case>.json of brainseg predict .it is larger than 17 MB"):
        find_result(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="it is a folder"):
        read_report(path)


def test_an_unfinished_case_is_no_result(out, tmp_path):
    path = changed(out, tmp_path, unfinished=True)
    for named in (path, tmp_path):
        with pytest.raises(DataError, match=r"turned.json is unfinished; run brainseg predict again"):
            find_result(named)
    shutil.copy(out / "tifs.json", tmp_path)
    assert find_result(tmp_path).report.case == "tifs"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": {"flair": "x" * 5000}}, "input: .*a path that cannot be"),
        ({"input": {"flair": "a\0b"}}, "input: .*a path that cannot be"),
        ({"case": "../../etc/passwd"}, "case: .*cannot be a path"),
        ({"case": ""}, "case: .*cannot be a path"),
        ({"kind": "array"}, "kind: .*expected one of .*tif, nifti, bids, dicom"),
        ({"input": {"pre": "x.nii"}}, "input: .*no flair"),
    ],
)
def test_a_json_that_would_lead_elsewhere_is_refused(out, tmp_path, changes, words):
    with pytest.raises(DataError, match=words):
        find_result(changed(out, tmp_path, **changes))


def test_facts_in_millilitres_or_in_voxels(out):
    report = find_result(out / "turned.json").report
    said = dict(facts(report, 16))
    assert said["Tumour volume"] == f"{report.tumour.volume_ml:.1f} ml"
    assert said["Largest diameter"].endswith(" mm, axial")
    assert said["Tumour slices"] == "4 of 16: 7 to 10"
    assert said["Model"] == "ensemble"
    report = find_result(out / "tifs.json").report
    said = dict(facts(report, 16))
    assert said["Tumour volume"] == f"{report.tumour.voxels:,} voxels"
    assert said["Largest diameter"].endswith(" pixels, axial")
    assert said["Tumour slices"] == "4 of 16: 10 to 13"  # their numbers begin with 3
    report.tumour.voxels, report.tumour.slices = 0, []
    assert list(dict(facts(report, 16))) == ["Tumour volume", "Model", "Made by"]


def test_no_path_is_told(out):
    result = find_result(out / "turned.json")
    where = str(result.case.paths["flair"])
    result.report.warnings.append(f"{where} has another grid than FLAIR")
    content = page_content(result.report, list(range(16)), ["more"], (1.0, 2.0, 3.0), {})
    assert content["warnings"][-2:] == ["turned.nii.gz has another grid than FLAIR", "more"]
    assert str(out.parent) not in json.dumps(content)
