"""The models by name, in the order of every table: one entry a network, and their ensemble.

The entry has all that people see of a model; how a network is built stands in networks.py. Without torch, so that a
table or a picture costs nothing to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A model as people see it.

    Attributes:
        label: its name in sentences and tables.
        colour: of its lines and outlines, `#rrggbb`; Okabe and Ito 2008, which all readers tell apart.
        symbol: of its points, a name of Plotly's.
    """

    label: str
    colour: str
    symbol: str


ENSEMBLE = "ensemble"
CATALOGUE: Mapping[str, Entry] = {
    "unet": Entry("U-Net", "#009E73", "circle"),
    "unetpp": Entry("U-Net++", "#D55E00", "diamond"),
    ENSEMBLE: Entry("ensemble", "#56B4E9", "square"),
}
TRUTH_COLOUR = "#F0E442"
"""Yellow, unlike any model. The ensemble is what `brainseg predict` runs: its masks have its colour everywhere."""
MODELS = tuple(CATALOGUE)
NETWORKS = tuple(name for name in MODELS if name != ENSEMBLE)
