"""The page's figures, as Plotly's JSON; every number from the metrics files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from brainseg.data.raw import institution
from brainseg.model.catalogue import CATALOGUE, MODELS, NETWORKS, Entry
from brainseg.report.genomics import box_plots
from brainseg.report.page_inputs import Sources

LABELED, EMPTY = "#CC79A7", "#999999"
_LAYOUT = {
    "template": "plotly_white",
    "margin": {"l": 60, "r": 10, "t": 30, "b": 50},
    "font": {"size": 13, "color": "#1a1a1a"},
    "legend": {"orientation": "h", "y": 1.12, "x": 0},
    "height": 360,
}


def all_figures(sources: Sources) -> dict[str, go.Figure]:
    """Every figure by the name that the template places it under."""
    figures = {
        "institutions": _institutions(sources.tables["institutions"]),
        "sizes": _sizes(sources.tables["patients"]),
        "training": _training(sources),
        "distribution": _distribution(sources.tables["per_patient"]),
        "size_dice": _size_dice(sources.tables["per_patient"]),
        "components": _components(sources.tables["per_patient"]),
        "precision_recall": _precision_recall(sources),
        "calibration": _calibration(sources),
    }
    if sources.radiogenomics:
        figures["shapes"] = box_plots(sources.tables["shape"]).update_layout(_LAYOUT | {"height": 640})
    return figures


def _figure(data: Iterable[Any], x: str, y: str, **layout: Any) -> go.Figure:
    return go.Figure(list(data), _LAYOUT | {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}} | layout)


def _institutions(table: pd.DataFrame) -> go.Figure:
    bars = [
        go.Bar(x=rows["institution"], y=rows["slices"], name=name, marker_color=colour)
        for kind, name, colour in (("labeled", "with tumour", LABELED), ("empty", "without", EMPTY))
        for rows in [table[table["kind"] == kind]]
    ]
    return _figure(bars, "institution", "slices", barmode="group")


def _sizes(table: pd.DataFrame) -> go.Figure:
    points = [
        go.Box(
            x=rows["institution"], y=rows["tumour_px"], text=rows["patient"], name=str(name), boxpoints="all",
            jitter=0.5, pointpos=0, marker_color=LABELED, line_color="#555555", fillcolor="rgba(0,0,0,0)",
        )
        for name, rows in table.groupby("institution")
    ]  # fmt: skip
    return _figure(points, "institution", "tumour, pixels of the volume", showlegend=False)


def _training(sources: Sources) -> go.Figure:
    figure = make_subplots(1, 2, subplot_titles=("mean whole-volume Dice on validation patients", "training loss"))
    for name in NETWORKS:
        entry = CATALOGUE[name]
        history, best = sources.tables[f"history_{name}"], sources.summaries[f"train_{name}"]["best_epoch"]
        line = {"color": entry.colour}
        for column, key in ((1, "val_dice"), (2, "train_loss")):
            figure.add_scatter(
                x=history["epoch"], y=history[key], name=entry.label, line=line, mode="lines+markers",
                marker={"size": 4}, legendgroup=name, showlegend=column == 1, row=1, col=column,
            )  # fmt: skip
        chosen = history[history["epoch"] == best]
        figure.add_scatter(
            x=chosen["epoch"], y=chosen["val_dice"], name=f"{entry.label}: chosen, epoch {best}", mode="markers",
            marker={"symbol": "star", "size": 14, "color": entry.colour}, legendgroup=name, row=1, col=1,
        )  # fmt: skip
    figure.update_layout(_LAYOUT | {"legend": {"orientation": "h", "y": -0.2, "x": 0}})
    figure.update_xaxes(title_text="epoch")
    return figure


def _models(table: pd.DataFrame) -> list[tuple[str, Entry, pd.DataFrame]]:
    return [(name, entry, table[table["model"] == name]) for name, entry in CATALOGUE.items()]


def _distribution(table: pd.DataFrame) -> go.Figure:
    boxes = [
        go.Box(
            x=rows["patient"].map(institution), y=rows["dice"], text=rows["patient"], name=entry.label,
            boxpoints="all", jitter=0.4, pointpos=0, marker={"color": entry.colour, "symbol": entry.symbol},
            offsetgroup=name,
        )
        for name, entry, rows in _models(table)
    ]  # fmt: skip
    return _figure(boxes, "institution", "whole-volume Dice", boxmode="group")


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
            marker_color=colour,
        )
        for (part, whole, label), colour in zip(shares, (LABELED, EMPTY), strict=True)
    ]  # fmt: skip
    return _figure(bars, "model", "3-D components, all test patients", barmode="group")


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
