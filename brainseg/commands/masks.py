"""`collect` and `shape`: what becomes of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.errors import extra, require_there
from brainseg.terminal import mistakes_in_one_sentence, say


def collect(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Results that were corrected with edit, or scans with masks beside them."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the dataset into.", show_default=False)],
    beside: Annotated[
        Path | None,
        typer.Option(help="Another dataset in the same layout, for example the public one; its patients are added."),
    ] = None,
) -> None:
    """Make a training dataset from corrected masks or your own.

    To train on it with `dvc repro`, set download.source to folder and download.path to the new folder. If a patient is
    in both datasets, the collected mask is taken.
    """
    with mistakes_in_one_sentence():
        from brainseg.correct.collect import collect as collect_masks

        for line in collect_masks(folder, out, beside):
            say(line)


def shape(
    masks: Annotated[
        list[Path],
        typer.Argument(
            metavar="MASK...", help="NIfTI masks, TIF masks or folders of them, or folders that predict wrote."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write (default: print the table).")] = None,
    thickness: Annotated[
        float, typer.Option(min=0.01, help="Distance between TIF slices, in pixels; the files have no spacing.")
    ] = 5.0,
    ibsi: Annotated[bool, typer.Option("--ibsi", help="Add the standard features of IBSI (needs mirp).")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace --out if it exists.")] = False,
) -> None:
    """Measure the shape of tumour masks.

    The table has one row for each mask, with ASD, BEVR, margin fluctuation, volume, parts and place. Every value except
    0 is tumour. volume is in cubic millimetres if the file has a spacing, otherwise in cubic pixels (column unit). z, y
    and x are the centre of mass as a share of the volume's extent: from the feet, from anterior, from the patient's
    right. largest_slice is the number of a TIF file; in NIfTI the lowest axial slice is 0. docs/radiogenomics.md
    explains the other columns.
    """
    with mistakes_in_one_sentence():
        require_there(masks, "name a NIfTI mask, a TIF mask or a folder of TIF masks.")
        from brainseg.files import require_file, write_csv
        from brainseg.params import shipped_section

        with extra("analysis", "shape"):
            from brainseg.radiogenomics.cohort import RadiogenomicsParams
            from brainseg.radiogenomics.mask_files import find_masks, shapes_of_files

        if out is not None:
            require_file(out, ".csv", replace=replace)
        params = shipped_section("radiogenomics", RadiogenomicsParams, thickness=thickness, ibsi=ibsi)
        found, without = find_masks(masks)
        if without:
            say(f"left out, since predict found no tumour: {', '.join(without)}", err=True)
        table = shapes_of_files(found, params)
        if out is None:
            say(table.to_csv(index=False).rstrip("\n"))
        else:
            write_csv(out, table)
            say(f"{len(table)} {'mask' if len(table) == 1 else 'masks'}: {out}")
