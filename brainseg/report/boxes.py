"""Boxes of the page's figures: all points, and a box around them only where there are enough."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

FEWEST = 5
"""With fewer values a box's quartiles and whiskers are the values themselves: the points say more alone."""
_CLEAR = "rgba(0,0,0,0)"


def boxes(rows: pd.DataFrame, group: str, value: str, name: str, colour: str, symbol: str) -> list[Any]:
    """Plotly traces of one source: the groups with a box, those with points alone, and the legend's entry.

    A box in the legend would show its fill, which there is none of; the entry is a point.

    Args:
        rows: patient, `group` and `value`; a row per point.
        group: column of the x axis.
        value: column of the y axis.
        name: in the legend, which has it once.
        colour: `#rrggbb`.
        symbol: of the points, a name of Plotly's.
    """
    sizes = rows.groupby(group)[group].transform("size")
    marker = {"color": colour, "symbol": symbol, "size": 7, "line": {"color": "#767676", "width": 1}}
    traces: list[Any] = []
    for part, boxed in ((rows[sizes >= FEWEST], True), (rows[sizes < FEWEST], False)):
        if part.empty:
            continue
        traces.append(
            go.Box(
                x=part[group], y=part[value], text=part["patient"], name=name, legendgroup=name, offsetgroup=name,
                showlegend=False, boxpoints="all", jitter=0.4, pointpos=0, marker=marker,
                line={"color": "#767676" if boxed else _CLEAR, "width": 1.5}, fillcolor=_CLEAR,
            )
        )  # fmt: skip
    if traces:
        traces.append(go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=name, legendgroup=name))
    return traces
