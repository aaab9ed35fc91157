import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from brainseg.correct.answer import Click, Prepared
from brainseg.correct.geodesic import LIMIT, RADIUS, REACH, GeodesicAnswerer, _distances, _steps
from tests.correct.drawn import SIDE, disk, head, stack_of

EMPTY = np.zeros((7, SIDE, SIDE), bool)


def test_a_missed_tumour_is_filled_to_its_edge_and_into_the_next_slices() -> None:
    bright = stack_of({2: disk(32, 30, 5), 3: disk(32, 30, 7), 4: disk(32, 30, 6)})
    found = GeodesicAnswerer().answer(head(bright), EMPTY, [Click(3, 32, 30, True)])
    assert np.array_equal(found[3], bright[3])
    assert not (found & ~bright).any()
    assert found[2].sum() > 0.9 * bright[2].sum()
    assert found[4].sum() > 0.9 * bright[4].sum()


def test_an_invented_part_goes_and_a_tumour_beside_it_stays() -> None:
    tumour, invented = disk(32, 20, 9), disk(32, 44, 6)
    mask = stack_of({3: tumour | invented})
    found = GeodesicAnswerer().answer(head(stack_of({3: tumour})), mask, [Click(3, 32, 44, False)])
    assert np.array_equal(found, stack_of({3: tumour}))


def test_an_earlier_click_of_the_other_kind_keeps_its_surroundings() -> None:
    case = head(EMPTY)  # nothing but the clicks tells the sides apart
    clicks = [Click(3, 32, 20, False), Click(3, 32, 30, True)]
    found = GeodesicAnswerer().answer(case, EMPTY, clicks)
    assert found[3, 32, 26:36].all()
    assert not found[3, :, :23].any()


def test_the_probability_counts_where_it_was_kept() -> None:
    plain = head(EMPTY)
    right = np.zeros(EMPTY.shape, np.float32)
    right[:, :, 32:] = 0.9
    case = Prepared(plain.stack, right)
    with_it, without = (GeodesicAnswerer().answer(each, EMPTY, [Click(3, 32, 36, True)]) for each in (case, plain))
    assert without[3, 32, 28]
    assert not with_it[3, 32, 28]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_only_what_is_near_changes_and_only_as_the_click_says(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    mask = rng.random(EMPTY.shape) < 0.5
    place = [data.draw(st.integers(0, size - 1)) for size in mask.shape]
    click = Click(*place, data.draw(st.booleans()))
    before = mask.copy()
    found = GeodesicAnswerer().answer(head(mask), mask, [click])
    assert np.array_equal(mask, before)
    assert found[click.slice, click.row, click.column] == click.tumour
    changed = np.argwhere(found != mask)
    assert (found[found != mask] == click.tumour).all()
    if len(changed):
        assert np.abs(changed[:, 0] - click.slice).max() <= REACH
        assert np.hypot(*(changed[:, 1:] - place[1:]).T).max() <= RADIUS


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0.5, 0.8, 1.0]), st.booleans())
def test_distances_are_those_of_dijkstra_to_the_bit(seed: int, share: float, other: bool) -> None:
    rng = np.random.default_rng(seed)
    free = rng.random((3, 12, 14)) < share
    sources = [(1, 6, 7), (2, 3, 12)][: 1 + other]
    for source in sources:
        free[source] = True
    cost = np.stack([rng.random(free.shape) * 3, rng.random(free.shape)]).astype(np.float32)
    number = np.arange(free.size).reshape(free.shape)
    pairs = [(number[one], number[other], length) for one, other, length in _steps(free, cost)]
    begin, end, length = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in range(3))
    there = np.isfinite(length)
    graph = sparse.csr_array((length[there], (begin[there], end[there])), (free.size, free.size))
    limit = LIMIT if len(sources) == 1 else 2 * LIMIT
    expected = csgraph.dijkstra(graph, directed=False, indices=[number[s] for s in sources], limit=limit)
    np.testing.assert_array_equal(_distances(free, cost, sources), expected.reshape(-1, *free.shape))
