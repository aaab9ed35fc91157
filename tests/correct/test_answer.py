from collections.abc import Sequence

import numpy as np
import pytest

from brainseg.correct.answer import Click, OnScan, Prepared, require_fitting
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.scans.canvas import canvas_for
from tests.correct.drawn import disk, head, stack_of


class Square:
    """Marks 9 x 9 pixels around the click, and remembers where that was."""

    def answer(self, case: Prepared, mask: Bool, clicks: Sequence[Click]) -> Bool:
        require_fitting(case, mask, clicks)
        self.click = clicks[-1]
        out = mask.copy()
        out[
            self.click.slice, self.click.row - 4 : self.click.row + 5, self.click.column - 4 : self.click.column + 5
        ] = self.click.tumour
        return out


def test_slices_like_the_training_data_are_the_canvas() -> None:
    case = head(stack_of({1: disk(100, 100, 10, 256)}, 3))
    square, mask = Square(), np.zeros((3, 256, 256), bool)
    found = OnScan(square, canvas_for(256, 256, None)).answer(case, mask, [Click(1, 100, 50, True)])
    assert square.click == Click(1, 100, 50, True)
    assert np.array_equal(np.argwhere(found[1]), np.argwhere(Square().answer(case, mask, [square.click])[1]))
    assert found.sum() == 81


def test_a_finer_scan_is_answered_where_it_was_clicked_and_nothing_else_is_resampled() -> None:
    canvas = canvas_for(512, 512, (5.0, 240 / 512, 240 / 512))
    assert (canvas.rows, canvas.columns, canvas.side) == (256, 256, 256)
    case = head(stack_of({1: disk(100, 100, 10, 256)}, 3))
    mask = np.random.default_rng(0).random((3, 512, 512)) < 0.5  # no mask that resampling would leave alone
    mask[1, 180:220, 80:120] = False
    found = OnScan(Square(), canvas).answer(case, mask, [Click(1, 200, 100, True)])
    changed = np.argwhere(found != mask)
    assert found[1, 200, 100]
    assert len(changed) == 18 * 18
    assert np.abs(changed - [1, 200.5, 100.5]).max(0).tolist() == [0, 8.5, 8.5]


@pytest.mark.parametrize(
    ("clicks", "shape"),
    [
        ([], (7, 64, 64)),
        ([Click(7, 0, 0, True)], (7, 64, 64)),
        ([Click(0, 64, 0, True)], (7, 64, 64)),
        ([Click(0, 0, -1, True)], (7, 64, 64)),
        ([Click(0, 0, 0, True)], (6, 64, 64)),
    ],
)
def test_what_cannot_be_answered_is_refused(clicks: list[Click], shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError):
        require_fitting(head(stack_of({3: disk(32, 32, 8)})), np.zeros(shape, bool), clicks)
