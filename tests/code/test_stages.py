"""Which stages a change of the real code makes stale: each change changes the digests of exactly those that run it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stages._closure import Closure
from stages._reach import Project
from stages.code import FOLDERS
from tests.pipeline import ROOT, STAGES, command, shipped_params

TRAINING = {"train_unet", "train_unetpp"}
SEEING = TRAINING | {"postprocess"}  # what puts slices before a network

# file, what stands there, what shall stand there, the stages that compute with it
# ruff: noqa: E501
CHANGES = {
    "a number in the loss": ("model/losses.py", "probability.sum() + target.sum() + 1", "probability.sum() + target.sum() + 2", TRAINING),
    "the crop's margin": ("preprocess/inputs.py", "margin: int = 4", "margin: int = 5", SEEING),
    "where intensities are clipped": ("preprocess/inputs.py", "CLIP = 5.0", "CLIP = 4.0", SEEING),
    "the pixels of the truth": ("preprocess/inputs.py", "mask.astype(np.float32), box)", "mask.astype(np.float32) * 2, box)", TRAINING),
    "the way back to the slices": ("preprocess/inputs.py", "min(box.top + box.side, height)", "min(box.top + box.side, height - 1)", SEEING),
    "a channel of an added neighbour": ("model/networks.py", "weight[:, :3]", "weight[:, -3:]", SEEING),
    "the plain U-Net": ("model/networks.py", "nn.Conv2d(widths[0], 1, 1)", "nn.Conv2d(widths[0], 1, 3)", {"train_unet", "postprocess"}),
    "U-Net++": ("model/networks.py", "import_smp().UnetPlusPlus", "import_smp().MAnet", {"train_unetpp", "postprocess"}),
    "augmentation": ("model/augment.py", "AIR = ", "AIR = 1 + ", TRAINING),
    "where the encoder's weights come from": ("model/encoder_weights.py", 'if source == "packaged"', 'if source == "package"', SEEING),
    "the order of training": ("model/training.py", ">> 1)", ">> 2)", TRAINING),
    "a checkpoint's name": ("model/checkpoint.py", "[:16]", "[:17]", TRAINING),
    "both mirror images": ("model/forward.py", "/ np.float32(2) if len", "/ np.float32(3) if len", {"postprocess"}),
    "the gate of brain extraction": ("preprocess/skull_strip.py", "fraction > 0", "fraction > 0.01", {"skull_strip"}),
    "deepbet's threshold": ("preprocess/brain_deepbet.py", "_THRESHOLD = 0.5", "_THRESHOLD = 0.6", {"skull_strip"}),
    "the fallback": ("preprocess/classical.py", "= 9, 8, 10, 10", "= 9, 8, 10, 11", {"skull_strip"}),
    "a method that is not chosen": ("preprocess/mazurowski.py", "SIDE = ", "SIDE = 1 + ", set()),
    "what sequences agree on": ("preprocess/agreement.py", "LEAST_KEPT = 0.7", "LEAST_KEPT = 0.6", {"skull_strip"}),
    "equalisation": ("preprocess/clahe.py", "cv2.DIST_L2, 5", "cv2.DIST_L2, 3", {"clahe"}),
    "the least gain of a clean-up step": ("inference/postprocess.py", "MIN_GAIN = 1e-4", "MIN_GAIN = 1e-3", {"postprocess"}),
    "Dice": ("evaluation/overlap.py", "2 * ", "2.5 * ", SEEING | {"evaluate"}),
    "the tolerance of surface Dice": ("evaluation/metrics.py", "NSD_TOLERANCE_PX = 2", "NSD_TOLERANCE_PX = 3", {"evaluate"}),
    "the interval": ("evaluation/statistics.py", "CONFIDENCE = ", "CONFIDENCE = 0.9 * ", {"evaluate"}),
    "the page": ("report/page/report.css", "", "p { margin: 0 }\n", {"evaluate"}),
    "the manifest": ("data/lgg_patients.csv", "TCGA", "XCGA", {"download"}),
    "the synthetic patients": ("data/phantom.py", "COIL_SCALE = ", "COIL_SCALE = 2 * ", {"download"}),
    "the split": ("data/splits.py", "def _draw(", "def _draw(unused=0, *", {"split"}),
    "how many bins a shape has": ("radiogenomics/shape.py", "return ", "return +", {"radiogenomics"}),
}  # fmt: skip
# One of each kind; the others take as long and are slow together.
QUICK = {"a number in the loss", "the crop's margin", "U-Net++", "the fallback", "the page"}
HARMLESS = {
    "a docstring": ("model/losses.py", "Weighted sum of", "Sum of"),
    "a comment": ("model/training.py", "# a help in debugging", "# a help"),
    "an annotation": ("model/losses.py", "logits: Tensor", "logits: object"),
    "an error's sentence": ("model/training.py", "lower the learning rate", "choose a lower learning rate"),
    "an error's sentence put together elsewhere": ("model/training.py", "memory ran out while", "no memory was left while"),
    "help": ("../stages/train.py", "Which network.", "One of the networks."),
    "the version": ("__init__.py", "0.2.0.dev0", "0.2.0"),
    "the reader of DICOM": ("scans/dicom.py", "def _person", "def _not_there(): ...\ndef _person"),
    "a parameter's range": ("preprocess/skull_strip.py", "ge=0, le=20", "ge=0, le=30"),
    "a method of brain extraction": (
        "preprocess/skull_strip.py",
        '"mazurowski": _mazurowski,',
        '"mazurowski": _mazurowski, "otsu": lambda params: _otsu(params),',
    ),
    "the name of a method of brain extraction": (
        "preprocess/agreement.py",
        '"classical", "none"]\n\n',
        '"classical", "otsu", "none"]\n\n',
    ),
    "a function beside those in use": ("preprocess/inputs.py", "def brain_box", "def unused(): ...\ndef brain_box"),
}  # fmt: skip


def digests(root: Path) -> dict[str, list[str]]:
    project, params = Project(root, FOLDERS), shipped_params()
    return {stage: Closure(project, module, words, params).lines() for stage, (module, *words) in COMMANDS.items()}


COMMANDS = {stage: command(stage) for stage in STAGES}


@pytest.fixture(scope="module")
def before() -> dict[str, list[str]]:
    return digests(ROOT)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code; a test changes one file and puts it back."""
    root = tmp_path_factory.mktemp("copy")
    left = shutil.ignore_patterns("unet*", "vendor", "__pycache__")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=left)
    return root


def stale(copy: Path, before: dict[str, list[str]], *changes: tuple[str, str, str]) -> set[str]:
    """The stages whose digests differ after the changes."""
    paths = {copy / "brainseg" / name for name, _, _ in changes}
    kept = {path: path.read_text(encoding="utf-8") for path in paths}
    try:
        for name, old, new in changes:
            path = copy / "brainseg" / name
            text = path.read_text(encoding="utf-8")
            assert old in text, f"{name} has no {old!r}"
            path.write_text(text.replace(old, new, 1), encoding="utf-8")
        after = digests(copy)
    finally:
        for path, text in kept.items():
            path.write_text(text, encoding="utf-8")
    return {stage for stage in STAGES if before[stage] != after[stage]}


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CHANGES]
)
def test_a_change_reaches_exactly_the_stages_that_compute_with_it(case, copy, before):
    name, old, new, expected = CHANGES[case]
    assert stale(copy, before, (name, old, new)) == expected


def test_changes_that_compute_nothing_reach_no_stage(copy, before):
    assert stale(copy, before, *HARMLESS.values()) == set()


def test_a_network_that_is_not_chosen_reaches_no_training(copy, before):
    added = [
        ("model/networks.py", '"unetpp": _unetpp}', '"unetpp": _unetpp, "third": _third}'),
        (
            "model/catalogue.py",
            "    ENSEMBLE: Entry(",
            '    "third": Entry("Third-Net", "#CC79A7", "cross"),\n    ENSEMBLE: Entry(',
        ),
        ("model/networks.py", "def widen", "def _third(params, initial): return PlainUNet([3, 4])\n\n\ndef widen"),
    ]
    assert not stale(copy, before, *added) & {*STAGES[: STAGES.index("postprocess")]}


def test_digests_do_not_depend_on_where_the_code_lies(copy, before):
    assert digests(copy) == before
