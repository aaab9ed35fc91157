"""worklist.csv: all cases of a folder, least trusted first, for the person who looks through them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import brainseg
from brainseg.cohort.outputs import WORKLIST, WORKLIST_RECORD, staging
from brainseg.cohort.predict import Outcome
from brainseg.cohort.records import publish, whole_records
from brainseg.cohort.summary import write_table

FIGURES = ("level", "dice", "dice_low", "volume_low", "volume_high", "volume_low_ml", "volume_high_ml")
COLUMNS = ("case", *FIGURES, "reasons")
FAILED = "failed"
"""The level of a case without a mask."""


def write_worklist(outcomes: Sequence[Outcome], out: Path) -> None:
    """Write worklist.csv: what failed in this run, then every case whose result is in `out`, least trusted first.

    Nothing is written where a single case failed and `out` has no result.

    Args:
        outcomes: of this run.
        out: folder of the results, those of earlier runs included.

    Raises:
        DataError: a worklist.csv is there that brainseg did not write, or that was changed since.
    """
    found = {case: record.content for case, record in whole_records(out).items() if "trust" in record.content}
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if not found and len(outcomes) < 2:
        return
    rows = [{"case": each.case, "level": FAILED, "reasons": each.error} for each in sorted(failed, key=_case)]
    for case in sorted(found, key=lambda case: (found[case]["trust"]["dice"], case)):
        if all(case != each.case for each in failed):
            trust = found[case]["trust"]
            figures = {name: trust.get(name) for name in FIGURES}
            rows.append({"case": case} | figures | {"reasons": "; ".join(trust["reasons"])})
    with staging(out) as staged:
        write_table(staged / WORKLIST, COLUMNS, [dict.fromkeys(COLUMNS) | row for row in rows])
        publish(staged, out, WORKLIST_RECORD, {"case": WORKLIST, "brainseg": brainseg.__version__})


def _case(outcome: Outcome) -> str:
    return outcome.case
