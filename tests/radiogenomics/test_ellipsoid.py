import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial import ConvexHull

from brainseg.errors import DataError
from brainseg.radiogenomics.ellipsoid import enclosing_ellipsoid

CUBE = np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
BALL = 4 / 3 * np.pi


def farthest(points, found):
    offsets = points - found.centre
    return np.einsum("ni,ij,nj->n", offsets, found.shape, offsets).max()


def sphere(n, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_around_a_cube_is_the_ball_through_its_corners():
    found = enclosing_ellipsoid(CUBE)
    assert found.volume == pytest.approx(BALL * np.sqrt(3 / 4) ** 3, rel=1e-3)
    assert found.centre == pytest.approx([0.5] * 3, abs=1e-3)


def test_around_a_simplex():
    """Around a regular one it is the circumscribed ball, and linear maps keep ratios.

    Triangle: 4 pi / (3 sqrt 3) of its area; tetrahedron of edge 1: radius sqrt(6) / 4 and volume 1 / (6 sqrt 2).
    """
    triangle = np.array([[0.0, 0], [3, 0], [1, 2]])
    assert enclosing_ellipsoid(triangle).volume == pytest.approx(3 * 4 * np.pi / (3 * np.sqrt(3)), rel=1e-3)
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert enclosing_ellipsoid(corners).volume == pytest.approx(1.5 * np.pi * np.sqrt(3) / 6, rel=1e-3)


def test_an_ellipsoid_is_found_again():
    axes, centre = np.array([1.0, 2, 5]), np.array([3.0, -4, 50])
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    found = enclosing_ellipsoid(sphere(4000) * axes @ turn + centre)
    assert found.volume == pytest.approx(BALL * axes.prod(), rel=2e-3)
    assert found.centre == pytest.approx(centre, abs=0.02)
    assert np.sort(1 / np.sqrt(np.linalg.eigvalsh(found.shape))) == pytest.approx(axes, rel=5e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 60))
def test_it_holds_every_point_and_grows_with_any_linear_map(seed, n):
    random = np.random.default_rng(seed)
    points = random.normal(size=(n, 3))
    found = enclosing_ellipsoid(points)
    assert farthest(points, found) == pytest.approx(1)
    assert found.volume >= ConvexHull(points).volume
    linear = random.normal(size=(3, 3)) + 2 * np.eye(3)
    mapped = enclosing_ellipsoid(points @ linear.T + 7)
    assert mapped.volume == pytest.approx(found.volume * abs(np.linalg.det(linear)), rel=2e-3)


def test_an_independent_solver_finds_no_smaller_one():
    """SciPy's general optimiser on the Cholesky factor and the centre: largest log det with every point inside."""
    points = np.random.default_rng(5).normal(size=(25, 3)) * [1, 2, 0.5]
    lower = np.tril_indices(3)

    def factor(x):
        matrix = np.zeros((3, 3))
        matrix[lower] = x[:6]
        return matrix

    start = np.concatenate([(np.eye(3) / 10)[lower], np.zeros(3)])
    inside = {"type": "ineq", "fun": lambda x: 1 - ((points @ factor(x) + x[6:]) ** 2).sum(1)}
    solved = minimize(
        lambda x: -np.linalg.slogdet(factor(x))[1], start, constraints=inside, method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-10},
    )  # fmt: skip
    assert solved.success
    assert enclosing_ellipsoid(points).volume == pytest.approx(BALL / np.linalg.det(factor(solved.x)), rel=1e-3)


def test_flat_points_have_none():
    with pytest.raises(DataError, match="3 points in 3 dimensions lie in one plane"):
        enclosing_ellipsoid(CUBE[:3])
    with pytest.raises(DataError, match="8 points in 3 dimensions lie in one plane"):
        enclosing_ellipsoid(CUBE * [1, 1, 0])
