"""Folders by name, tables of cases, BIDS datasets."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.real_life.inputs import FLAIR, T1, T2, Inputs, named, tree

INPUTS = Inputs()
add = INPUTS.add

# cohorts by name
add("BraTS 2023", tree(named("BraTS-GLI-00000-000/BraTS-GLI-00000-000-", ("t2f", "t1n", "t1c", "t2w"))))
add("BraTS 2021", tree(named("BraTS2021_00000/BraTS2021_00000_", ("flair", "t1", "t1ce", "t2"))))
add("UCSF-PDGM", tree(named("UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_", ("FLAIR", "T1", "T1c", "T2"))))
add("UPENN-GBM", tree(named("UPENN-GBM-00001_11/UPENN-GBM-00001_11_", ("FLAIR", "T1", "T1GD", "T2"))))
add("LUMIERE", tree({**named("P1/week-1/", ("FLAIR", "T1", "CT1", "T2")), "P2/week-1/FLAIR.nii.gz": FLAIR}), cases=2)
add("a folder of a patient's files", tree(named("", ("flair", "t1", "t1ce", "t2"))))
add("a folder of the files of two patients", tree(named("P1_", ("flair", "t1")) | named("P2_", ("flair",))), cases=2)
add("a patient's derived files beside his sequences", tree(named("", ("FLAIR", "T1")) | {"FLAIR_bias.nii.gz": T2}))
add("a folder of T1 and T2", tree({"t1.nii.gz": T1, "t2.nii.gz": T2}), "has no FLAIR by its name .* --cases")
add("a T1 moved to FLAIR", tree({"T1_to_FLAIR.nii.gz": T1}), "has no FLAIR by its name")
add(
    "two FLAIR of one patient", tree({"flair.nii.gz": FLAIR, "t2f.nii.gz": FLAIR}), "has 2 files that are flair by name"
)
add("names that say nothing", tree({"3.nii.gz": T1, "5.nii.gz": FLAIR}), "has no FLAIR by its name")
add("an empty folder", lambda folder: None, "holds no scan .it is empty")
add("a folder of pictures", lambda folder: Image.fromarray(FLAIR[0]).save(folder / "a.png"), r"holds no scan .\.png")

# a table of cases
for name, mark in (("commas", ","), ("semicolons", ";"), ("tabs", "\t")):

    def table(folder: Path, mark: str = mark) -> None:
        tree({"x/1.nii.gz": FLAIR, "x/2.nii.gz": T1})(folder)
        rows = [("case", "flair", "pre"), ("P1", "x/1.nii.gz", "x/2.nii.gz")]
        (folder / "cases.csv").write_text("\n".join(mark.join(row) for row in rows))

    add(f"a table with {name}", table, options={"table": "cases.csv"})
add(
    "a table of files that are not there",
    lambda folder: (folder / "cases.csv").write_text("case,flair\nP1,none.nii") and None,
    "none.nii does not exist",
    options={"table": "cases.csv"},
)

# BIDS
add("BIDS", tree(named("sub-01/anat/sub-01_", ("FLAIR", "T1w", "ce-gd_T1w", "T2w"))))
add(
    "BIDS with sessions",
    tree(named("sub-01/ses-1/anat/sub-01_ses-1_", ("FLAIR",)) | named("sub-01/ses-2/anat/sub-01_ses-2_", ("FLAIR",))),
    cases=2,
)
add(
    "BIDS with runs",
    tree(named("sub-01/anat/sub-01_run-1_", ("FLAIR",)) | named("sub-01/anat/sub-01_run-2_", ("FLAIR",))),
    cases=2,
)
add("BIDS, one participant", tree(named("sub-01/anat/sub-01_", ("FLAIR",)) | named("sub-02/anat/sub-02_", ("FLAIR",))),
    options={"participants": ["02"]})  # fmt: skip
add("BIDS, a participant that is not there", tree(named("sub-01/anat/sub-01_", ("FLAIR",))), "there is no sub-9",
    options={"participants": ["9"]})  # fmt: skip
add("BIDS without FLAIR", tree({"sub-01/anat/sub-01_T1w.nii.gz": T1}), r"has no \*_FLAIR.nii.gz")
