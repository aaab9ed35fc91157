"""The synthetic patients: the raw tree they make, that they are reproducible, and that they look like heads."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage, sparse
from scipy.interpolate import BSpline

from brainseg.data import phantom
from brainseg.data.phantom import PhantomParams, _blurred, make_patient, patient_name, write_phantom
from brainseg.data.raw import institution, list_patients, list_slices, read_patient
from brainseg.data.shapes import BOTTOM, FIELD_OF_VIEW, MARGIN, TOP, Points, SmoothNoise, inside, union
from brainseg.data.slices import FLAIR, SliceSet
from brainseg.errors import ParamsError, UserError
from brainseg.files import sha256
from brainseg.params import validate

SMALL = PhantomParams(patients=2, slices=5, size=64)
COHORT = PhantomParams(patients=16, slices=20, size=96)


@cache
def cohort() -> tuple[SliceSet, ...]:
    return tuple(make_patient(index, COHORT, seed=0) for index in range(COHORT.patients))


@cache
def tumour_pixels() -> np.ndarray:
    return np.array([patient.masks.sum() for patient in cohort()])


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_the_raw_tree_reads_back_as_the_patients_in_memory(tmp_path):
    write_phantom(tmp_path, SMALL, seed=1)
    folders = list_patients(tmp_path)
    assert [folder.name for folder in folders] == [patient_name(0), patient_name(1)]
    for index, folder in enumerate(folders):
        expected, stored = make_patient(index, SMALL, seed=1), read_patient(folder)
        entries, strangers = list_slices(folder)
        assert strangers == []
        assert [entry.number for entry in entries] == list(range(1, len(expected) + 1))
        np.testing.assert_array_equal(stored.images, expected.images)
        np.testing.assert_array_equal(stored.masks, expected.masks)


def test_files_are_plain_uncompressed_tifs_as_in_the_dataset(tmp_path):
    write_phantom(tmp_path, SMALL, seed=0)
    for path in sorted(tmp_path.rglob("*.tif")):
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[0]
            names = {tag.name for tag in page.tags}
            assert len(tif.pages) == 1
            assert page.compression == tifffile.COMPRESSION.NONE
            assert names.isdisjoint({"DateTime", "Software", "ImageDescription"})
            array = page.asarray()
        assert array.dtype == np.uint8
        assert array.shape == ((64, 64) if path.stem.endswith("_mask") else (64, 64, 3))
        if path.stem.endswith("_mask"):
            assert set(np.unique(array)) <= {0, 255}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 3), ("again", 3), ("other", 4)):
        write_phantom(tmp_path / name, SMALL, seed)
    first = digests(tmp_path / "a")
    assert digests(tmp_path / "again") == first
    other = digests(tmp_path / "other")
    images = {name for name in first.keys() & other.keys() if not name.endswith("_mask.tif")}
    assert images
    assert all(first[name] != other[name] for name in images)


def test_a_patient_does_not_depend_on_how_many_there_are(tmp_path):
    write_phantom(tmp_path / "two", SMALL, seed=0)
    write_phantom(tmp_path / "three", SMALL.model_copy(update={"patients": 3}), seed=0)
    two, three = digests(tmp_path / "two"), digests(tmp_path / "three")
    two.pop("kaggle_3m/data.csv"), three.pop("kaggle_3m/data.csv")
    assert two.items() < three.items()


def test_an_older_tree_is_never_replaced(tmp_path):
    write_phantom(tmp_path, SMALL, seed=0)
    before = digests(tmp_path)
    with pytest.raises(UserError, match="kaggle_3m is not empty"):
        write_phantom(tmp_path, SMALL.model_copy(update={"patients": 1}), seed=0)
    assert digests(tmp_path) == before


def test_names_follow_the_barcodes_but_cannot_be_taken_for_them():
    names = [patient_name(index) for index in range(500)]
    assert len(set(names)) == 500
    assert all(re.fullmatch(r"PHANTOM_[A-Z]{2}_\d{4}_\d{8}", name) for name in names)
    assert pd.to_datetime([name[-8:] for name in names], format="%Y%m%d").notna().all()
    assert {institution(name) for name in names[:4]} == {"CS", "DU", "FG", "HT"}


def test_every_site_sees_every_tumour_size_in_64_patients():
    pairs = {(institution(patient_name(index)), phantom.RADII[index % 16]) for index in range(64)}
    assert len(pairs) == 64


def test_the_clinical_table_has_the_datasets_columns_and_codes(tmp_path):
    write_phantom(tmp_path, SMALL, seed=0)
    table = pd.read_csv(tmp_path / "kaggle_3m" / "data.csv")
    assert list(table.columns) == [
        "Patient", "RNASeqCluster", "MethylationCluster", "miRNACluster", "CNCluster", "RPPACluster",
        "OncosignCluster", "COCCluster", "histological_type", "neoplasm_histologic_grade",
        "tumor_tissue_site", "laterality", "tumor_location", "gender", "age_at_initial_pathologic",
        "race", "ethnicity", "death01",
    ]  # fmt: skip
    assert table["Patient"].tolist() == ["PHANTOM_CS_0001", "PHANTOM_DU_0002"]
    many = phantom.clinical_table(100, seed=0)
    assert set(many["death01"]) == {0, 1}
    assert many["age_at_initial_pathologic"].between(20, 75).all()
    assert 0 < many["RNASeqCluster"].isna().mean() < 0.25


@pytest.mark.parametrize(
    ("slices", "size"), [(4, 64), (7, 100), (155, 64)], ids=["fewest slices", "odd size", "most slices"]
)
def test_every_sampling_gives_a_labelled_patient(slices, size):
    patient = make_patient(4, PhantomParams(patients=16, slices=slices, size=size), seed=5)  # the smallest tumour
    assert 4 <= len(patient) <= 155
    assert patient.images.shape[1:] == (size, size, 3)
    assert patient.masks.any()


def test_the_tumour_lies_in_the_brain_and_is_one_in_every_patient():
    for patient in cohort():
        assert patient.masks.any()
        assert not (patient.masks & ~patient.brain).any()
        labels, count = ndimage.label(patient.masks, np.ones((3, 3, 3)))
        largest = np.bincount(labels.ravel())[1:].max()
        assert largest >= 0.9 * patient.masks.sum(), f"{count} pieces"


def test_tumour_sizes_spread_over_two_decades_and_few_are_tiny():
    pixels = tumour_pixels() * (256 / COHORT.size) ** 2  # what they would count at 256 px
    assert pixels.min() >= 60
    assert (pixels < 300).sum() == 1
    for first in (0, 8):
        group = pixels[first : first + 8]
        assert group.min() < 1000 < 5000 < group.max()


def test_some_patients_are_mostly_empty_and_none_is_full():
    labelled = np.array([patient.masks.any(axis=(1, 2)).mean() for patient in cohort()])
    assert (labelled <= 0.15).sum() >= 2
    assert labelled.max() < 0.7
    assert labelled.max() > 0.3


def test_slices_run_from_below_the_brain_to_the_vertex():
    for patient in cohort():
        area = patient.brain.mean(axis=(1, 2))
        widest = int(area.argmax())
        assert 0.2 * len(area) < widest < 0.8 * len(area)
        assert area[0] < 0.1 * area.max()
        assert area[-1] < 0.1 * area.max()
        assert (np.diff(area[widest:]) <= 0).all()  # shrinks towards the top
        assert 0.08 < patient.brain.mean() < 0.30  # the range in which a brain mask is believed


def test_anterior_is_up():
    patient = cohort()[0]
    low = int(np.flatnonzero(patient.brain.any(axis=(1, 2)))[1])
    rows = np.flatnonzero(patient.brain[low].any(axis=1))
    head = np.flatnonzero((patient.images[low, ..., FLAIR] > 30).any(axis=1))
    # At the level of the cerebellum the face is before the brain.
    assert rows.min() - head.min() > 3 * (head.max() - rows.max())


@pytest.mark.parametrize("index", range(16))
def test_a_missing_sequence_is_replaced_by_flair(index):
    images = cohort()[index].images
    replaced = [channel for channel in (0, 2) if (images[..., channel] == images[..., FLAIR]).all()]
    assert replaced == {11: [0], 5: [2]}.get(index, [])


def test_the_background_is_dark_noise_on_every_channel():
    for patient in cohort():
        corner = patient.images[:, :8, :8].astype(float)
        assert corner.mean() < 6
        assert corner.std() > 0.5


def test_contrasts_are_those_of_t1_flair_and_post_contrast_t1():
    for index, patient in enumerate(cohort()):
        if index in phantom.MISSING:
            continue
        pre, flair, _ = (patient.images[..., channel].astype(float) for channel in range(3))
        healthy = patient.brain & ~ndimage.binary_dilation(patient.masks, iterations=2)
        assert np.median(flair[patient.masks]) > 1.3 * np.median(flair[healthy])
        near = ndimage.binary_dilation(patient.masks, np.ones((1, 3, 3)), iterations=6) & healthy
        assert np.median(pre[patient.masks]) < np.percentile(pre[near], 75)  # darker than white matter
        darkest = np.percentile(flair[healthy], 2)  # fluid in ventricles and sulci
        assert darkest < 0.6 * np.median(flair[healthy])


def test_no_threshold_on_flair_solves_the_task():
    def best(candidates: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
        scores = [
            np.mean([dice((flair > level) & where, truth) for flair, where, truth in candidates])
            for level in range(60, 200, 5)
        ]
        return float(max(scores))

    everywhere = [(p.images[..., FLAIR], np.ones_like(p.brain), p.masks) for p in cohort()]
    in_brain = [(p.images[..., FLAIR], p.brain, p.masks) for p in cohort()]
    assert best(everywhere) < 0.3  # the scalp is brighter than the tumour
    assert 0.3 < best(in_brain) < 0.75  # even in a perfectly stripped brain


@pytest.mark.parametrize(
    ("key", "value"), [("patients", 0), ("patients", 501), ("slices", 3), ("slices", 156), ("size", 63), ("size", 513)]
)
def test_parameters_out_of_range_are_named(key, value):
    with pytest.raises(ParamsError, match=rf"phantom\.{key} is {value}"):
        validate({key: value}, PhantomParams, "params.yaml: phantom")


def test_smooth_noise_is_standard_normal_and_smooth():
    axis = np.linspace(-100, 100, 201, dtype=np.float32)
    field = np.stack([SmoothNoise(np.random.default_rng(seed), 10).plane(3.0, axis) for seed in range(8)])
    assert abs(field.mean()) < 0.1
    assert field.std() == pytest.approx(1, abs=0.1)
    assert np.abs(np.diff(field, axis=2)).max() < 0.6  # 1 mm steps, 10 mm knots


def test_distance_to_a_sphere_is_exact_and_shapes_combine():
    x, y = np.meshgrid(np.linspace(-30, 30, 61), np.linspace(-30, 30, 61))
    points = Points(x.astype(np.float32), y.astype(np.float32), np.full_like(x, 4, np.float32))
    ball = points.ellipsoid((0, 0, 4), (10, 10, 10))
    np.testing.assert_allclose(ball, np.hypot(x, y) - 10, atol=1e-3)
    far = points.ellipsoid((25, 0, 4), (3, 3, 3))
    both = union(ball, far, 2)
    assert (both <= np.minimum(ball, far) + 1e-6).all()
    np.testing.assert_array_equal(both[np.abs(ball - far) > 2], np.minimum(ball, far)[np.abs(ball - far) > 2])
    np.testing.assert_allclose(inside(np.array([-2, -0.25, 0, 0.25, 2]), 1.0), [1, 0.75, 0.5, 0.25, 0])


@pytest.mark.slow
def test_deepbet_finds_the_brain():
    import deepbet
    import nibabel

    patient = make_patient(0, PhantomParams(patients=16, slices=20, size=256), seed=0)
    # Anterior is up in the picture, and nibabel's second axis points to anterior.
    volume = patient.images[:, ::-1, :, FLAIR].transpose(2, 1, 0).astype(np.float32)
    scan = nibabel.Nifti1Image(volume, np.diag([0.94, 0.94, 150 / len(patient), 1]))
    _, mask, _ = deepbet.BrainExtraction(no_gpu=True).run(scan)
    found = (mask.get_fdata() > 0).transpose(2, 1, 0)[:, ::-1]
    assert dice(found, patient.brain) > 0.9
    assert (patient.masks & ~found).sum() < 0.05 * patient.masks.sum()


@pytest.mark.parametrize("spread", [0.13, 0.5, 0.75, 1.5])
def test_blur_is_scipys_to_the_bit(spread: float) -> None:
    picture = np.random.default_rng(0).random((3, 20, 31), np.float32) * 255
    np.testing.assert_array_equal(_blurred(picture, spread), ndimage.gaussian_filter(picture, (0, spread, spread)))


@pytest.mark.parametrize("scale", [6.0, 110.0])
def test_noise_is_scipys_spline_to_the_bit(scale: float) -> None:
    noise = SmoothNoise(np.random.default_rng(1), scale)
    axis = np.linspace(-120, 119, 40).astype(np.float32)

    def weights(positions: np.ndarray, start: float, count: int) -> sparse.csr_array:
        knots = start + scale * np.arange(-3, count + 1)
        return BSpline.design_matrix(np.asarray(positions, np.float64), knots, 3)

    for z in (BOTTOM, 1.5, TOP):
        along = weights(np.array([z]), BOTTOM - MARGIN, len(noise.knots))
        across = weights(axis, -FIELD_OF_VIEW / 2 - MARGIN, noise.knots.shape[1])
        knots = (along @ noise.knots.reshape(len(noise.knots), -1)).reshape(noise.knots.shape[1:])
        expected = (across @ (across @ knots).T).T.astype(np.float32)
        np.testing.assert_array_equal(noise.plane(z, axis), expected)
