"""The command line: `predict`, `verify`, `view`, `edit` for scans, `collect` and `shape` for masks, `compare` for runs.

Nothing heavy is imported unasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from brainseg import __version__
from brainseg.errors import extra, require_there
from brainseg.inference.presets import FAST, PRESETS, USUAL, settle
from brainseg.inference.runtimes import AUTO, DEVICES, PRECISIONS, RUNTIMES
from brainseg.model.catalogue import MODELS
from brainseg.terminal import MISTAKE, mistakes_in_one_sentence, say

app = typer.Typer(
    help="Segments lower-grade glioma on brain MRI. For research only: not a medical device.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _one_of(names: Sequence[str], said: str) -> Any:
    """An option that takes one of a table's names."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in names:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(names)}.")
        return value

    return typer.Option(metavar=f"<{'|'.join(names)}>", callback=check, help=said)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"brainseg {__version__}")
        raise typer.Exit


@app.callback()
def brainseg(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segments lower-grade glioma on brain MRI. For research only: not a medical device."""


@app.command()
def predict(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT...",
            help="A folder of TIF slices, a folder of such folders, a TIF slice, a NIfTI file, a folder of patients "
            "with NIfTI sequences, a BIDS dataset, or a folder of DICOM series.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write into.", show_default=False)] = ...,  # type: ignore[assignment]
    flair: Annotated[Path | None, typer.Option(help="FLAIR of one patient: NIfTI file or DICOM folder.")] = None,
    pre: Annotated[Path | None, typer.Option(help="T1 before contrast of the same patient.")] = None,
    post: Annotated[Path | None, typer.Option(help="T1 after contrast of the same patient.")] = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Table of cases with the columns case and flair, and optionally pre and post."
        ),
    ] = None,
    participant: Annotated[
        list[str] | None, typer.Option(help="Only this participant of a BIDS dataset; may be repeated.")
    ] = None,
    session: Annotated[
        list[str] | None, typer.Option(help="Only this session of a BIDS dataset; may be repeated.")
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEQUENCE=SERIES",
            help="For DICOM studies: the series to use, as flair=, pre= or post= and its number, UID or description; "
            "may be repeated.",
        ),
    ] = None,
    dicomweb: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An archive's DICOMweb service, to fetch --study from; needs the extra dicomweb.",
        ),
    ] = None,
    study: Annotated[
        list[str] | None, typer.Option(metavar="UID", help="A study of --dicomweb to segment; may be repeated.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Send SEG and SR of these studies back to --dicomweb.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Use one network, no flips and int8: faster and a little less accurate.")
    ] = False,
    model: Annotated[
        str | None, _one_of(MODELS, f"One network, or the average of both (default: {PRESETS[USUAL].model}).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of models, or one .safetensors file (default: the shipped models).")
    ] = None,
    device: Annotated[
        str, _one_of((AUTO, *DEVICES), "Where the networks run; all but cpu need the extra torch.")
    ] = AUTO,
    runtime: Annotated[
        str,
        _one_of(
            (AUTO, *RUNTIMES),
            "Library that runs the networks; auto: torch if it is installed and finds CUDA, otherwise OpenVINO.",
        ),
    ] = AUTO,
    precision: Annotated[
        str | None,
        _one_of(
            PRECISIONS,
            f"int8 is faster and a little less accurate; it needs OpenVINO (default: {PRESETS[USUAL].precision}).",
        ),
    ] = None,
    tta: Annotated[
        bool | None,
        typer.Option("--tta/--no-tta", help="Average over left-right flips (default: as the model was tuned)."),
    ] = None,
    stripped: Annotated[
        bool | None,
        typer.Option("--stripped/--raw", help="The scan is skull-stripped, or is not (default: this is detected)."),
    ] = None,
    trust_input: Annotated[
        bool, typer.Option("--trust-input", help="Turn refusals of doubtful scans into warnings.")
    ] = False,
    probability: Annotated[bool, typer.Option("--probability", help="Also write probability maps.")] = False,
    overlay: Annotated[bool, typer.Option(help="Write a picture of some slices of each case.")] = True,
    score: Annotated[
        bool, typer.Option("--score", help="Report Dice against the _mask.tif files beside TIF slices.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Report Dice against true masks of NIfTI or DICOM scans: a NIfTI file, or a folder with <case>.nii.gz "
            "or <case>_seg.nii.gz for each case, on the grid of its FLAIR."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="How many cases to run at the same time; they share the cores.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local",
            help="Run the cases on the workers of this Dask scheduler; local starts --workers Dask workers on this "
            "machine. Needs the extra cluster.",
        ),
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Segment cases again that are already done.")] = False,
) -> None:
    """Segment scans and say how far each mask can be trusted.

    Each mask is written in its scan's own geometry, with <case>.json beside it. If a case fails, the others are still
    written. Failed cases are listed in summary.csv, and the exit status is then 2. A rerun skips the cases that are
    done.
    """
    named = {key: path for key, path in (("flair", flair), ("pre", pre), ("post", post)) if path is not None}
    with mistakes_in_one_sentence():
        require_there([*(inputs or ()), *named.values()], "check its spelling.")
        require_there([truth], "name the NIfTI file of the true mask, or a folder of them.")
        require_there([weights], "give a folder of models or a .safetensors file, or leave --weights out.")
        from brainseg.cohort.early import early_processes

        with nullcontext() if scheduler else early_processes(workers) as processes:
            from brainseg.cohort.predict import Settings
            from brainseg.cohort.watched import predict_watched
            from brainseg.scans.cases import find_cases

            preset, given = FAST if fast else USUAL, {"model": model, "precision": precision, "tta": tta}
            settings = Settings(
                out=out,
                preset=preset,
                **settle(preset, given, runtime, device),
                weights=weights,
                device=device,
                runtime=runtime,
                stripped=stripped,
                trust_input=trust_input,
                probability=probability,
                overlay=overlay,
                score=score,
                truth=truth,
                redo=redo,
            )
            archive = None
            if dicomweb or study or store:
                with extra("dicomweb", "--dicomweb"):
                    from brainseg.cohort.dicomweb import Archive

                archive = Archive.named(dicomweb, study or ())
            found = find_cases(
                [*(inputs or ()), *(archive.fetch_all(out) if archive else ())],
                named,
                table=cases,
                participants=participant or (),
                sessions=session or (),
                series=series or (),
            )
            status = predict_watched(found, settings, workers, scheduler, processes)
            if archive and store and status in (0, MISTAKE):
                archive.store_all(found, out)
    raise typer.Exit(status)


@app.command()
def verify(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="<case>.json that predict wrote, or a folder for all of its results."),
    ],
    weights: Annotated[
        Path | None, typer.Option(help="Models that made the results (default: the shipped models).")
    ] = None,
) -> None:
    """Predict again and compare the masks, voxel by voxel.

    The scan, the weights and the result's files must be unchanged. The exit status is 0 if no voxel differs, and 1 if
    one does.
    """
    differing = 0
    with mistakes_in_one_sentence():
        require_there([result, weights], "name the <case>.json that brainseg predict wrote, or its folder.")
        from brainseg.cohort.verify import verify as verify_results

        for found in verify_results(result, weights):
            say(str(found))
            differing += found.differing
    raise typer.Exit(1 if differing else 0)


@app.command()
def view(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="<case>.json that predict wrote, or a folder for all of its results."),
    ],
    scan: Annotated[
        Path | None, typer.Option(help="Path of this result's scan, if it was moved and is not found.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Show a scan and its mask in the browser.

    The page shows slices, a 3-D picture, the tumour's size and the trust in the mask. For a folder with several
    results it begins with a list, least trusted first. The page needs no network. Only this result, or this folder, is
    served, until you press Ctrl-C; other users of the same computer could open it. A scan that was moved is looked for
    near the result and recognised by its digest.
    """
    with mistakes_in_one_sentence():
        require_there([result], "name the <case>.json that brainseg predict wrote.")
        require_there([scan], "name the scan's file or folder.")
        from brainseg.view.cohort import CohortTable
        from brainseg.view.place import located
        from brainseg.view.result import find_result, results_in
        from brainseg.view.server import serve, serve_table

        if scan is None and result.is_dir() and len(found := results_in(result)[0]) > 1:
            serve_table(CohortTable(result, found), f"{len(found)} cases", port, browser, say)
        else:
            serve(located(find_result(result), scan), port, browser, say)


@app.command()
def edit(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="<case>.json that predict wrote, or a folder for all of its results."),
    ],
    annotator: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the person who corrects; can also be typed in the page.")
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Correct masks in the browser by clicks, brush and eraser.

    A folder's results come least trusted first. The corrected mask is saved as <case>_corrected.nii.gz (or TIF slices,
    or also a DICOM SEG) beside the automatic mask, with <case>_corrected.json. Every action is saved at once in
    <case>_corrected.journal.jsonl, and the next start continues from there. Ctrl-C ends the command.
    """
    with mistakes_in_one_sentence():
        from brainseg.edit.answers import Answers
        from brainseg.edit.desk import Desk, find_results
        from brainseg.edit.server import serve

        results, left = find_results(result)
        for problem in left:
            say(f"left: {problem}")
        serve(Desk(results, annotator, Answers.of), port, browser, say)


@app.command()
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


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Branch, commit, experiment, or folder of metrics.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same, to compare with A.")],
    out: Annotated[Path, typer.Option(help="Picture to write: each patient's Dice in both.")] = Path("compare.png"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace --out even if brainseg did not write it.")
    ] = False,
) -> None:
    """Test which of two pipeline runs is better.

    The runs are compared on the patients that both tested.
    """
    with mistakes_in_one_sentence():
        from brainseg.files import require_file

        with extra("pipeline", "compare"):
            from brainseg.report import compare as report

        require_file(out, ".png", replace=replace or report.is_picture(out))
        left, right = report.read_side(a), report.read_side(b)
        compared = report.compare(left, right)
        report.draw(out, compared, a, b)
        if alone := report.unpaired(left, right):
            say(f"left out: {len(alone)} patients that only one of them tested ({', '.join(alone[:3])} ...)")
        for model, (result, _) in compared.items():
            say(report.sentence(model, result, a, b))
        say(f"picture: {out}")


@app.command()
def shape(
    masks: Annotated[
        list[Path],
        typer.Argument(metavar="MASK...", help="NIfTI masks, folders of TIF masks, or folders that predict wrote."),
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
        require_there(masks, "name a NIfTI mask or a folder of TIF masks.")
        from brainseg.files import require_file, write_csv
        from brainseg.params import shipped_section

        with extra("pipeline", "shape"):
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


if __name__ == "__main__":
    app()
