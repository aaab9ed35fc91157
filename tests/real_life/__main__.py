"""Write all inputs below a folder, to be tried by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.real_life.known import INPUTS


def main() -> None:
    """Write all inputs below a new folder."""
    root = Path(sys.argv[1])
    for name, one in INPUTS.items():
        folder = root / name.replace("/", "_")
        folder.mkdir(parents=True)
        one.make(folder)
    print(f"{len(INPUTS)} inputs: {root}")


if __name__ == "__main__":
    main()
