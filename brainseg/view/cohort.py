"""All results of a folder on one page: worklist, volumes, pictures, what failed, and the way to each case."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from brainseg.cohort.outputs import WORKLIST
from brainseg.cohort.worklist import FAILED
from brainseg.errors import DataError
from brainseg.view.result import Result
from brainseg.view.server import PAGE as CASE_PAGE
from brainseg.view.server import Answer, make_table, page_of
from brainseg.view.words import trust_shown, volume_text

PAGE = {
    "/": ("cohort.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/cohort.js": ("cohort.js", "text/javascript; charset=utf-8"),
}
KEPT = 3
"""Cases whose volumes stay in memory: the one that is looked at and its neighbours."""


class CohortTable(Mapping[str, Answer]):
    """Answers by address: the list at `/`, case `n` at `/n/`, whose volumes are read when they are first asked for.

    Args:
        folder: of the results.
        results: in any order; they are shown as in worklist.csv, least trusted first, else by name.
    """

    def __init__(self, folder: Path, results: list[Result]):
        failed, order = _worklist(folder / WORKLIST)
        places = {case: place for place, case in enumerate(order)}
        self._results = sorted(results, key=lambda one: (places.get(one.report.case, len(places)), one.report.case))
        self._pictures = [folder / f"{one.report.case}_overlay.png" for one in self._results]
        self._first = page_of("view", PAGE) | {"/cohort.json": _json(self._content(folder, failed))}
        self._numbers = frozenset(map(str, range(len(results))))
        self._lock = Lock()
        self._case = lru_cache(KEPT)(self._make_case)

    def __getitem__(self, path: str) -> Answer:
        if path in self._first:
            return self._first[path]
        _, _, inside = path.partition("/")
        number, slash, name = inside.partition("/")
        if not slash or number not in self._numbers:
            raise KeyError(path)
        if name == "overlay.png":
            return _picture(self._pictures[int(number)])
        with self._lock:  # one case is read at a time
            return self._case(int(number))[f"/{name}"]

    def __iter__(self) -> Iterator[str]:
        """The addresses that are there without reading a case."""
        yield from self._first
        yield from (f"/{number}/" for number in range(len(self._results)))

    def __len__(self) -> int:
        return len(self._first) + len(self._results)

    def _make_case(self, number: int) -> dict[str, Answer]:
        last = len(self._results) - 1
        around = {
            "place": f"{number + 1} of {last + 1}",
            "previous": f"../{number - 1}/" if number else None,
            "next": f"../{number + 1}/" if number < last else None,
            "all": "../",
        }
        result = self._results[number]
        try:
            return make_table(result, around)
        except DataError as error:  # the others can be shown all the same
            return page_of("view", CASE_PAGE) | {
                "/result.json": _json({"case": result.report.case, "error": str(error)} | around)
            }

    def _content(self, folder: Path, failed: Mapping[str, str]) -> dict[str, Any]:
        rows = []
        for number, result in enumerate(self._results):
            trust = trust_shown(result.report)
            rows.append(
                {
                    "case": result.report.case,
                    "page": f"{number}/",
                    "picture": f"{number}/overlay.png" if self._pictures[number].is_file() else None,
                    "tumour": volume_text(result.report),
                    "ml": result.report.tumour.volume_ml,
                    "trust": None if trust is None else {key: trust[key] for key in ("level", "dice", "reasons")},
                    "score": None if result.report.score is None else result.report.score.dice,
                }
            )
        done = {result.report.case for result in self._results}
        failures = [{"case": case, "why": why} for case, why in failed.items() if case not in done]
        return {"folder": folder.absolute().name, "cases": rows, "failed": failures}


def _worklist(path: Path) -> tuple[dict[str, str], list[str]]:
    """What failed and why, and the order of the cases; nothing where there is no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = [row for row in csv.DictReader(handle) if row.get("case")]
    except (OSError, ValueError, csv.Error):
        return {}, []
    failed = {row["case"]: row.get("reasons") or "" for row in rows if row.get("level") == FAILED}
    return failed, [row["case"] for row in rows]


def _json(content: Any) -> Answer:
    return Answer("application/json", json.dumps(content, allow_nan=False).encode())


def _picture(path: Path) -> Answer:
    try:
        return Answer("image/png", path.read_bytes())
    except OSError:
        raise KeyError(str(path)) from None
