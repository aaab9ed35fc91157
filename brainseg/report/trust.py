"""The page's part on trust: what was said of each test patient's mask, held against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from brainseg.trust.metrics import risk_by_coverage

LEVELS = {"good": "#009E73", "check": "#E69F00", "unreliable": "#D55E00"}
"""Colours of Okabe and Ito 2008."""
GREY = "#767676"


def sentences(trust: Mapping[str, Any]) -> list[str]:
    """Where the constants come from, and what they are worth on these patients.

    Args:
        trust: content of metrics/trust.json.
    """
    origin, found = trust["calibration"], next(iter(trust["setups"].values()))
    said = [f"the constants were learnt from {origin['patients']} patients of {origin['made_from']}"]
    if also := origin["patients_also_here"]:
        said[0] += f", {also} of which are among these {found['n']}: of others less may hold"
    errors = f"the expected Dice is off by {found['mean_absolute_error']['value']:.3f} on average"
    said.append(errors + (f", Pearson r {found['pearson_r']['value']:.2f}" if "pearson_r" in found else ""))
    held = f"the lower bound, meant for 90%, holds for {found['dice_low_coverage']['value']:.0%}"
    if "volume_coverage" in found:
        held += f", the volume's interval for {found['volume_coverage']['value']:.0%}"
    return [*said, held]


def figures(trust: Mapping[str, Any]) -> dict[str, go.Figure]:
    """Expected against real Dice, risk and coverage, and intervals, by the name that the template places them under."""
    return {"trust_dice": _dice(trust), "trust_risk": _risk(trust), "trust_volume": _volume(trust)}


def _dice(trust: Mapping[str, Any]) -> go.Figure:
    points: list[Any] = [_diagonal(1.0)]
    for level, colour in LEVELS.items():
        rows = [mask for mask in trust["masks"] if mask["level"] == level]
        points.append(
            go.Scatter(
                x=[row["expected"] for row in rows], y=[row["dice"] for row in rows], mode="markers", name=level,
                text=[row["patient"] for row in rows], marker={"color": colour, "size": 9},
                error_x={
                    "type": "data", "symmetric": False, "array": [0] * len(rows),
                    "arrayminus": [row["expected"] - row["dice_low"] for row in rows], "thickness": 1,
                },
            )
        )  # fmt: skip
    return _figure(points, "expected Dice, with its lower bound", "real Dice")


def _risk(trust: Mapping[str, Any]) -> go.Figure:
    real = np.array([mask["dice"] for mask in trust["masks"]])
    expected = np.array([mask["expected"] for mask in trust["masks"]])
    share = (np.arange(len(real)) + 1) / len(real)
    lines = [
        go.Scatter(x=share, y=risk_by_coverage(order, real), mode="lines", name=name, line=line)
        for name, order, line in (
            ("by expected Dice", expected, {"color": LEVELS["good"]}),
            ("by real Dice", real, {"color": GREY, "dash": "dot"}),
            ("by chance", np.zeros(len(real)), {"color": GREY}),
        )
    ]
    return _figure(lines, "share of masks that are trusted", "1 - mean Dice of these")


def _volume(trust: Mapping[str, Any]) -> go.Figure:
    rows = sorted((mask for mask in trust["masks"] if mask["volume_high"] > 0), key=lambda mask: mask["true_volume"])
    middle = [(row["volume_low"] * row["volume_high"]) ** 0.5 for row in rows]
    bars = go.Scatter(
        x=[row["true_volume"] for row in rows], y=middle, mode="markers", name="90% interval", marker={"size": 5},
        text=[row["patient"] for row in rows], line_color=LEVELS["good"],
        error_y={
            "type": "data", "symmetric": False,
            "array": [row["volume_high"] - value for row, value in zip(rows, middle, strict=True)],
            "arrayminus": [value - row["volume_low"] for row, value in zip(rows, middle, strict=True)],
        },
    )  # fmt: skip
    most = max((row["volume_high"] for row in rows), default=1.0)
    return _figure([_diagonal(most), bars], "true volume, voxels", "volume that was said, voxels")


def _diagonal(most: float) -> Any:
    return go.Scatter(x=[0, most], y=[0, most], mode="lines", name="perfect", line={"color": GREY, "dash": "dot"})


def _figure(data: list[Any], x: str, y: str) -> go.Figure:
    return go.Figure(data, {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}})
