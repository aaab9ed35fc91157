"""What a process does with its share of the cases: models loaded once, one case after another."""

from __future__ import annotations

from dataclasses import asdict

from brainseg.cohort.outputs import log_name, record_name, staging, write_log
from brainseg.cohort.predict import Outcome, Settings
from brainseg.cohort.records import publish
from brainseg.cohort.results import fingerprint, is_done, made_by, report, write_overlay
from brainseg.data.raw import MASK_SUFFIX
from brainseg.scans.cases import Case
from brainseg.scans.scan import PROBABILITY_SUFFIX, Image
from brainseg.segmentation.segmenter import Segmenter
from brainseg.terminal import ran_out_of_memory, sentence


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
            key: value for key, value in asdict(settings).items() if key not in ("out", "weights", "redo", "preset")
        }
        found = case.digest
        wanted = fingerprint(found, same)
        enough = {wanted, fingerprint(found, same | {"score": True})}  # a score that is there is not lost
        if not settings.redo and is_done(settings.out, record, case.name, enough):
            return Outcome(case.name, "skipped")
        scan = case.read(truth=settings.score, trust=settings.trust_input)
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
            content["made_by"]["preset"] = settings.preset
            content["settings"] = {"stripped": settings.stripped, "trust_input": settings.trust_input}
            content |= {"input_sha256": found, "fingerprint": wanted}
            content = publish(staged, settings.out, record, content)
        return Outcome(case.name, "done", report=content)
