"""What a process does with its share of the cases: models loaded once, one case after another."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from brainseg.cohort.outputs import log_name, record_name, staging, write_log
from brainseg.cohort.overlay import write_overlay
from brainseg.cohort.predict import Outcome, Settings
from brainseg.cohort.records import publish, read_record
from brainseg.cohort.results import TRUTH_DIGEST, fingerprint, is_done, known_truth, made_by, report
from brainseg.data.raw import MASK_SUFFIX
from brainseg.files import sha256
from brainseg.scans.cases import Case
from brainseg.scans.scan import PROBABILITY_SUFFIX, Image
from brainseg.segmentation.segmenter import Segmenter
from brainseg.terminal import ran_out_of_memory, sentence

_NOT_OF_THE_RESULT = ("out", "weights", "redo", "preset", "truth")
"""Settings that change nothing in a result; of the truth its digest counts."""


class Worker:
    """Models loaded once, one case after another."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.segmenter = Segmenter(settings.load(), tta=settings.tta)

    def run(self, case: Case) -> Outcome:
        """Segment one case and write its files; what goes wrong with it is the outcome, not an exception."""
        try:
            return self._run(case)
        except KeyboardInterrupt:
            raise
        except Exception as error:
            if (said := sentence(error)) is not None:
                return Outcome(case.name, "failed", error=said, out_of_memory=ran_out_of_memory(error))
            log = self.settings.out / log_name(case.name)
            what = log if write_log(log) else "it"
            kind = type(error).__name__
            return Outcome(case.name, "failed", error=f"a defect of brainseg ({kind}: {error}); please report {what}.")

    def _run(self, case: Case) -> Outcome:
        settings, segmenter = self.settings, self.segmenter
        record = record_name(case.name)
        same = made_by(segmenter.models, segmenter.tta) | {
            key: value for key, value in asdict(settings).items() if key not in _NOT_OF_THE_RESULT
        }
        found, truth, earlier = case.digest, case.truth, read_record(settings.out / record, case.name)
        if truth is not None:
            same |= _scored_by(sha256(truth))
        wanted = fingerprint(found, same)
        enough = {wanted}
        if not settings.score and truth is None:  # a score that is there is not lost
            scored = (same | {"score": True}, same | _scored_by(known_truth(earlier)))
            enough |= {fingerprint(found, with_score) for with_score in scored}
        if not settings.redo and is_done(settings.out, earlier, enough):
            return Outcome(case.name, "skipped")
        scan = case.read(truth=settings.score and truth is None, trust=settings.trust_input)
        if truth is not None:
            scan = replace(scan, truth=scan.origin.read_truth(truth))
        result = segmenter(scan, stripped=settings.stripped, trust=settings.trust_input)
        with staging(settings.out) as staged:
            maps: dict[str, Image] = {MASK_SUFFIX: result.mask}
            if settings.probability:
                maps[PROBABILITY_SUFFIX] = result.probability
            model = " ".join([segmenter.models.name, *segmenter.models.digests.values()])
            unwritten = scan.origin.write(staged, scan.name, maps, model)
            if settings.overlay:
                write_overlay(staged / f"{case.name}_overlay.png", scan, result)
            content = report(case, scan, result, segmenter.models, segmenter.tta, unwritten)
            content["warnings"] += scan.origin.write_report(staged, scan.name, content)
            for path, text in case.format.tables(case.name, content).items():
                (staged / path).write_text(text, encoding="utf-8")
            if truth is not None:
                content["score"] |= {"truth": str(truth.absolute()), TRUTH_DIGEST: same[TRUTH_DIGEST]}
            content["made_by"]["preset"] = settings.preset
            content["settings"] = {"stripped": settings.stripped, "trust_input": settings.trust_input}
            content |= {"input_sha256": found, "fingerprint": wanted}
            content = publish(staged, settings.out, record, content)
        return Outcome(case.name, "done", report=content)


def _scored_by(digest: str) -> dict[str, Any]:
    return {"score": True, TRUTH_DIGEST: digest}
