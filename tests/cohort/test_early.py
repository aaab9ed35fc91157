"""The first worker process begins before there is anything to do."""

from __future__ import annotations

import multiprocessing

import pytest

from brainseg.cohort.early import early_processes


def test_the_first_process_has_imported_what_a_case_needs() -> None:
    with early_processes(1) as processes:
        modules = processes.submit(eval, "set(__import__('sys').modules)").result()
    assert {"brainseg.cohort.worker", "openvino"} <= modules
    assert "pytest" not in modules  # the script that runs this


def test_it_ends_where_there_is_nothing_to_do_after_all() -> None:
    with pytest.raises(ValueError, match="no case"), early_processes(2):
        raise ValueError("no case")
    assert not multiprocessing.active_children()
