"""The layouts that are known: a new one is its own file, and one entry here."""

from __future__ import annotations

from brainseg.scans.layouts.bids import BidsLayout
from brainseg.scans.layouts.layout import Layout
from brainseg.scans.layouts.named import NamedLayout

LAYOUTS: tuple[Layout, ...] = (BidsLayout(), NamedLayout())
"""What two of them could take is the earlier one's."""
