"""Values that are read when they are asked for, and forgotten."""

from __future__ import annotations

import pytest

from brainseg.data.on_disk import OnDisk, each


def test_a_value_is_read_when_asked_for_and_kept_while_it_is_among_the_last():
    read: list[str] = []
    values = OnDisk("abc", lambda name: read.append(name) or name.upper(), kept=2)
    assert (list(values), len(values), "a" in values, "d" in values, read) == (["a", "b", "c"], 3, True, False, [])
    assert [values[name] for name in "abab"] == ["A", "B", "A", "B"]
    assert read == ["a", "b"]
    assert (values["c"], values["a"]) == ("C", "A")
    assert read == ["a", "b", "c", "a"]
    with pytest.raises(KeyError):
        values["d"]


def test_a_part_of_each_is_not_kept():
    lengths = each(OnDisk(["a", "bc"], str.upper), len)
    assert dict(lengths) == {"a": 1, "bc": 2}
