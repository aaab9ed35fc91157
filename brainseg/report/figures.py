"""The page's figures, as Plotly's JSON; every number from the metrics files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from brainseg.data.raw import institution
from brainseg.model.catalogue import CATALOGUE, MODELS, NETWORKS, TRUTH_COLOUR, Entry
from brainseg.report import trust
from brainseg.report.boxes import boxes
from brainseg.report.genomics import shape_boxes
from brainseg.report.page_inputs import Sources

EMPTY_COLOUR, EDGE_COLOUR = "#999999", "#767676"
_LAYOUT = {
    "template": "plotly_white",
    "paper_bgcolor": "rgba(0,0,0,0)",  # the page's own, light or dark
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 60, "r": 10, "t": 10, "b": 50},
    "font": {"size": 13},
    "legend": {"orientation": "h", "y": 1.02, "x": 0, "yanchor": "bottom"},
    "height": 360,
}


def all_figures(sources: Sources) -> dict[str, go.Figure]:
    """Every figure by the name that the template places it under; those that would be empty are left out."""
    figures = {
        "institutions": _institutions(sources.tables["institutions"]),
        "sizes": _sizes(sources.tables["patients"]),
        "validation_dice": _training(sources, "val_dice", "validation Dice", best=True),
        "training_loss": _training(sources, "train_loss", "training loss", best=False),
        "distribution": _distribution(sources.tables["per_patient"]),
        "size_dice": _size_dice(sources.tables["per_patient"]),
        "components": _components(sources.tables["per_patient"]),
        "precision_recall": _precision_recall(sources),
        "calibration": _calibration(sources),
    }
    figures |= {name: each.update_layout(_LAYOUT) for name, each in trust.figures(sources.summaries["trust"]).items()}
    if sources.radiogenomics:
        for feature, (label, found) in shape_boxes(sources.tables["shape"]).items():
            figures[f"shape_{feature}"] = _figure(found, "RNASeq cluster", label, boxmode="group")
    return {name: figure for name, figure in figures.items() if any(len(trace.x) for trace in figure.data)}


def _figure(data: Iterable[Any], x: str, y: str, **layout: Any) -> go.Figure:
    axes = {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}, "automargin": True}}
    return go.Figure(list(data), _LAYOUT | axes | layout)


def _counts(highest: int) -> dict[str, Any]:
    """An axis of whole numbers from 0 that is there even if all are 0."""
    return {"range": [0, max(highest, 1) * 1.08], "tickformat": ",d"} | ({"dtick": 1} if highest <= 8 else {})


def _edged(colour: str) -> dict[str, Any]:
    """A bar's colour with an edge that shows on white and on black."""
    return {"color": colour, "line": {"color": EDGE_COLOUR, "width": 1}}


def _institutions(table: pd.DataFrame) -> go.Figure:
    bars = [
        go.Bar(x=rows["institution"], y=rows["slices"], name=name, marker=_edged(colour))
        for kind, name, colour in (("labeled", "with tumour", TRUTH_COLOUR), ("empty", "without", EMPTY_COLOUR))
        for rows in [table[table["kind"] == kind]]
    ]
    figure = _figure(bars, "institution", "slices", barmode="group")
    return figure.update_yaxes(_counts(int(table["slices"].max())))


def _sizes(table: pd.DataFrame) -> go.Figure:
    found = boxes(table, "institution", "tumour_px", "annotated", TRUTH_COLOUR, "circle")
    return _figure(found, "institution", "tumour, pixels of the volume", showlegend=False)


def _training(sources: Sources, key: str, label: str, *, best: bool) -> go.Figure:
    """A column of the history by epoch, with a star at the epoch that was kept if `best`."""
    lines = []
    for name in NETWORKS:
        entry, history = CATALOGUE[name], sources.tables[f"history_{name}"]
        kept = sources.summaries[f"train_{name}"]["kept_epoch"]
        sizes = [14 if best and epoch == kept else 4 for epoch in history["epoch"]]
        symbols = ["star" if size > 4 else entry.symbol for size in sizes]
        lines.append(
            go.Scatter(
                x=history["epoch"], y=history[key], name=entry.label + f", epoch {kept} kept" * best,
                mode="lines+markers", line={"color": entry.colour}, marker={"size": sizes, "symbol": symbols},
            )
        )  # fmt: skip
    last = max(int(sources.tables[f"history_{name}"]["epoch"].max()) for name in NETWORKS)
    return _figure(lines, "epoch", label, xaxis_dtick=1 if last <= 12 else None)


def _models(table: pd.DataFrame) -> list[tuple[str, Entry, pd.DataFrame]]:
    return [(name, entry, table[table["model"] == name]) for name, entry in CATALOGUE.items()]


def _distribution(table: pd.DataFrame) -> go.Figure:
    placed = table.assign(institution=table["patient"].map(institution))
    found = [
        box
        for _, entry, rows in _models(placed)
        for box in boxes(rows, "institution", "dice", entry.label, entry.colour, entry.symbol)
    ]
    return _figure(found, "institution", "whole-volume Dice", boxmode="group")


def _size_dice(table: pd.DataFrame) -> go.Figure:
    points = [
        go.Scatter(
            x=rows["tumour_px"], y=rows["dice"], text=rows["patient"], name=entry.label, mode="markers",
            marker={"color": entry.colour, "symbol": entry.symbol, "size": 9, "opacity": 0.8},
        )
        for name, entry, rows in _models(table)
    ]  # fmt: skip
    return _figure(points, "tumour, pixels of the volume", "whole-volume Dice")


def _components(table: pd.DataFrame) -> go.Figure:
    sums = {str(name): rows.sum(numeric_only=True) for name, rows in table.groupby("model")}
    shares = (("missed_components", "components", "missed"), ("false_components", "predicted_components", "false"))
    bars = [
        go.Bar(
            x=[entry.label for entry in CATALOGUE.values()], y=[int(sums[name][part]) for name in MODELS], name=label,
            text=[f"{sums[name][part]:.0f} of {sums[name][whole]:.0f}" for name in MODELS], textposition="auto",
            marker=_edged(colour),
        )
        for (part, whole, label), colour in zip(shares, (TRUTH_COLOUR, EMPTY_COLOUR), strict=True)
    ]  # fmt: skip
    figure = _figure(bars, "model", "3-D parts, all test patients", barmode="group")
    highest = max(int(sums[name][part]) for name in MODELS for part, _, _ in shares)
    return figure.update_yaxes(_counts(highest))


def _precision_recall(sources: Sources) -> go.Figure:
    lines = []
    for name, entry, rows in _models(sources.tables["precision_recall"]):
        area = sources.summaries["test"][name]["calibration"]["average_precision"]
        lines.append(
            go.Scatter(
                x=rows["recall"], y=rows["precision"], text=[f"threshold {value:.2f}" for value in rows["threshold"]],
                name=f"{entry.label}, area {area:.3f}", mode="lines", line={"color": entry.colour},
            )
        )  # fmt: skip
    return _figure(lines, "recall", "precision", xaxis_range=[0, 1.02], yaxis_range=[0, 1.02])


def _calibration(sources: Sources) -> go.Figure:
    lines: list[Any] = [
        go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect", line={"color": "#767676", "dash": "dot"})
    ]
    for name, entry, rows in _models(sources.tables["calibration"]):
        error = sources.summaries["test"][name]["calibration"]["ece"]
        lines.append(
            go.Scatter(
                x=rows["probability"], y=rows["tumour"], text=[f"{n} pixels" for n in rows["pixels"]],
                name=f"{entry.label}, ECE {error:.4f}", mode="lines+markers",
                line={"color": entry.colour}, marker={"symbol": entry.symbol},
            )
        )  # fmt: skip
    return _figure(lines, "probability", "share that is tumour", xaxis_range=[0, 1.02], yaxis_range=[0, 1.02])
