"""`predict`: scans to masks."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from brainseg.commands.root import one_of
from brainseg.errors import extra, require_there
from brainseg.inference.presets import FAST, PRESETS, USUAL, settle
from brainseg.inference.runtimes import AUTO, DEVICES, PRECISIONS, RUNTIMES
from brainseg.model.catalogue import MODELS
from brainseg.terminal import MISTAKE, mistakes_in_one_sentence


def predict(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT...",
            help="A folder of TIF slices, a folder of such folders, a TIF file, a NIfTI file, a folder of patients "
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
        str | None, one_of(MODELS, f"One network, or the average of both (default: {PRESETS[USUAL].model}).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of models, or one .safetensors file (default: the shipped models).")
    ] = None,
    device: Annotated[
        str, one_of((AUTO, *DEVICES), "Where the networks run; all but cpu need the extra torch.")
    ] = AUTO,
    runtime: Annotated[
        str,
        one_of(
            (AUTO, *RUNTIMES),
            "Library that runs the networks; auto: torch if it is installed and finds CUDA, otherwise OpenVINO.",
        ),
    ] = AUTO,
    precision: Annotated[
        str | None,
        one_of(
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
    register: Annotated[
        bool,
        typer.Option(
            "--register",
            help="Register T1 and T1 with contrast agent to FLAIR (rigid; NIfTI and DICOM). Needs the extra register.",
        ),
    ] = False,
    n4: Annotated[
        bool, typer.Option("--n4", help="Correct the bias field of each sequence (N4). Needs the extra register.")
    ] = False,
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
            from brainseg.scans.case import N4, REGISTER
            from brainseg.scans.cases import find_cases
            from brainseg.scans.itk import require_simple_itk

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
            if register or n4:
                require_simple_itk("--register" if register else "--n4")
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
                changes=[name for name, asked in ((REGISTER, register), (N4, n4)) if asked],
            )
            status = predict_watched(found, settings, workers, scheduler, processes)
            if archive and store and status in (0, MISTAKE):
                archive.store_all(found, out)
    raise typer.Exit(status)
