"""What libraries print while they read a file: kept from the terminal, and handed over as warnings of the scan."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("nibabel.global", "pydicom", "highdicom", "tifffile")
_LONGEST = 200
_MOST = 3


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def overheard(said: list[str], where: str) -> Iterator[None]:
    """Add to `said`, each once and with `where` before it, what libraries warn of within this context."""
    kept = _Kept()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(list(logger.handlers), logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [kept], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
    # what libraries say of their own future is for their callers, not for the reader of a scan
    meant = [w for w in caught if not issubclass(w.category, (DeprecationWarning, FutureWarning, ResourceWarning))]
    texts = [*kept.messages, *(str(warning.message) for warning in meant)]
    each = list(dict.fromkeys(" ".join(text.split())[:_LONGEST] for text in texts))
    said.extend(f"{where}: {text}" for text in each[:_MOST])
    if len(each) > _MOST:
        said.append(f"{where}: {len(each) - _MOST} more remarks of this kind")
