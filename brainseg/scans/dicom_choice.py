"""Which series of a DICOM study are FLAIR, T1 and T1 with contrast agent; doubt is refused with a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from brainseg.errors import DataError, doubt
from brainseg.scans.dicom_checks import Series
from brainseg.scans.dicom_sequence import DOUBTFUL, FLAIR, T1, UNKNOWN, Seen, look_at

NONE = "none"
"""Takes the place of a series where a sequence is not to be used."""
_CALLED = {"flair": "FLAIR", "pre": "T1", "post": "T1 after contrast agent"}
MOST_ROWS = 40
Criterion = Callable[[Seen, list[Seen]], bool]
_WHOLE = 0.5
"""Of the highest stack among the candidates; a lower one is a reference or a part."""


def choose(
    folder: Path, series: Sequence[Series], rules: Mapping[str, str], trust: bool, said: list[str], notes: list[str]
) -> dict[str, Series]:
    """Tell the sequences of a folder apart.

    Args:
        folder: for sentences.
        series: in it.
        rules: sequence -> number, UID or description of a series, with `*` for any letters; or `NONE`.
        trust: a lone series that is no FLAIR becomes one with a warning.
        said: warnings of the scan.
        notes: which series was taken for what, and which are not used.

    Returns:
        `flair` and any of `pre`, `post`.

    Raises:
        DataError: there is no FLAIR, or several series could be one sequence.
        NotTrusted: the only series is no FLAIR.
    """
    seen = sorted(map(look_at, series), key=lambda one: (len(one.number), one.number, one.uid))
    if len(seen) == 1 and not rules:
        check_lone(folder, seen[0], trust, said)
        return {"flair": seen[0].series}
    found = {key: _named(folder, seen, key, rule) for key, rule in rules.items() if rule.lower() != NONE}
    free = [one for one in seen if one not in found.values()]
    if "flair" not in found:
        candidates = [one for one in free if one.kind == FLAIR]
        if not candidates:
            raise _refused(folder, seen, "flair", "no series that is certainly a FLAIR")
        found["flair"] = _best(folder, seen, "flair", candidates, (_acquired, _without_agent, _whole, _axial))
    flair = found["flair"]
    like_flair: tuple[Criterion, ...] = (_acquired, _whole, _same_plane(flair), _nearest(flair))
    for key, contrast in (("pre", False), ("post", True)):
        candidates = [one for one in free if one.kind == T1 and one.contrast == contrast]
        if key not in rules and candidates:
            found[key] = _best(folder, seen, key, candidates, like_flair)
    notes += [f"{_CALLED[key]}: {found[key]}, by {'--series' if key in rules else found[key].why}" for key in found]
    if rest := [one for one in seen if one not in found.values()]:
        names = "; ".join(f"{one.number or '?'} {one.title!r} ({one.kind})" for one in rest[:MOST_ROWS])
        notes.append(f"series that are not used: {names}{'; ...' if len(rest) > MOST_ROWS else ''}")
    return {key: found[key].series for key in _CALLED if key in found}


def check_lone(folder: Path, seen: Seen, trust: bool, said: list[str]) -> None:
    """Doubt a series that stands for FLAIR and says that it is something else; one that says nothing gets a warning.

    Raises:
        NotTrusted: it says so, and the user does not insist.
    """
    if seen.plane == "several":
        return  # `check_series` says it better
    if seen.kind == UNKNOWN:
        said.append(f"the series in {folder} does not say which sequence it is: taken for FLAIR")
    elif seen.kind == DOUBTFUL:
        doubt(f"the series {seen.title!r} in {folder} is no certain FLAIR: {seen.why}", trust, said)
    elif seen.kind != FLAIR:
        doubt(f"the series {seen.title!r} in {folder} is {seen.kind} by {seen.why}, expected FLAIR", trust, said)


def _named(folder: Path, seen: list[Seen], key: str, rule: str) -> Seen:
    """The one series that a rule means."""
    fitting = [one for one in seen if rule in (one.number, one.uid)]
    fitting = fitting or [one for one in seen if fnmatchcase(one.title.lower(), rule.lower())]
    if len(fitting) != 1:
        raise _refused(folder, seen, key, f"{len(fitting) or 'no'} series that --series {key}={rule} names")
    return fitting[0]


def _best(folder: Path, seen: list[Seen], key: str, candidates: list[Seen], criteria: Sequence[Criterion]) -> Seen:
    """The candidate that is left when each criterion in turn has sorted out, unless it would sort out all."""
    for criterion in criteria:
        candidates = [one for one in candidates if criterion(one, candidates)] or candidates
    if len(candidates) > 1:
        numbers = " and ".join(one.number or repr(one.title) for one in candidates[:2])
        raise _refused(folder, seen, key, f"{len(candidates)} series that could be {_CALLED[key]}, {numbers}")
    return candidates[0]


def _acquired(one: Seen, others: list[Seen]) -> bool:
    return one.original


def _without_agent(one: Seen, others: list[Seen]) -> bool:
    return not one.contrast


def _whole(one: Seen, others: list[Seen]) -> bool:
    return one.height >= _WHOLE * max(other.height for other in others)


def _axial(one: Seen, others: list[Seen]) -> bool:
    return one.plane == "axial"


def _same_plane(flair: Seen) -> Criterion:
    return lambda one, others: one.plane == flair.plane


def _nearest(flair: Seen) -> Criterion:
    def away(one: Seen) -> float:
        return abs(one.thickness - flair.thickness)

    return lambda one, others: away(one) <= min(map(away, others)) + 1e-3


def _refused(folder: Path, seen: list[Seen], key: str, found: str) -> DataError:
    table = [str(one) for one in seen[:MOST_ROWS]]
    if len(seen) > MOST_ROWS:
        table.append(f"and {len(seen) - MOST_ROWS} more")
    without = "" if key == "flair" else f", or do without it by --series {key}={NONE}"
    return DataError(
        f"{folder} holds {len(seen)} series and {found}; choose one with --series {key}=NUMBER{without}:", table
    )
