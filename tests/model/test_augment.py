import pytest
import torch

from brainseg.model import augment as module
from brainseg.model.augment import AIR, AugmentParams, augment

OFF = dict.fromkeys(AugmentParams.model_fields, 0.0)


def params(**changes: float) -> AugmentParams:
    return AugmentParams(**(OFF | changes))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Four heads with a bright, off-centre square that is the mask."""
    images = torch.zeros(4, 3, 64, 64)
    images[:, :, 8:56, 8:56] = torch.rand(4, 3, 48, 48, generator=generator(9)) + 0.1
    masks = torch.zeros(4, 1, 64, 64)
    masks[:, :, 20:36, 30:50] = 1
    images += masks * 4
    return images, masks


def test_all_off_changes_nothing(batch: tuple) -> None:
    images, masks = augment(*batch, params(), generator())
    torch.testing.assert_close(images, batch[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(masks, batch[1], rtol=0, atol=1e-4)


def test_flip_is_left_right(batch: tuple) -> None:
    images, masks = augment(*batch, params(flip=1.0), generator())
    torch.testing.assert_close(images, batch[0].flip(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(masks, batch[1].flip(3), rtol=0, atol=1e-4)


@pytest.mark.parametrize("change", [{"rotation_deg": 45.0}, {"scale": 0.4}, {"shift": 0.2}, {"flip": 0.5}])
def test_mask_moves_with_the_image(batch: tuple, change: dict) -> None:
    """The bright square is where the mask is, before and after."""
    images, masks = augment(*batch, params(**change), generator(3))
    bright = (images > 3).all(1, keepdim=True)
    inside = masks > 0.5
    assert not torch.equal(masks, batch[1])
    dice = 2 * (bright & inside).sum() / (bright.sum() + inside.sum())
    assert dice > 0.85


def test_rotation_of_a_quarter_turns_the_whole(batch: tuple) -> None:
    """Rotations are drawn from -limit to limit; with a symmetric limit the mean angle over many is 0."""
    masks = batch[1][:1].repeat(512, 1, 1, 1)
    _, moved = augment(torch.ones(512, 3, 64, 64), masks, params(rotation_deg=180.0), generator())
    middle = moved.mean(0)[0]
    torch.testing.assert_close(middle, middle.flip(0), rtol=0, atol=0.15)
    assert moved.sum() == pytest.approx(masks.sum().item(), rel=0.02)


def test_background_stays_black(batch: tuple) -> None:
    images, _ = augment(*batch, params(brightness=1.0, contrast=0.5, gamma=0.5, noise=0.5), generator())
    assert (images[:, :, :8] == 0).all()
    assert not torch.allclose(images, batch[0])


def test_dropped_sequence_is_flair(batch: tuple) -> None:
    images, _ = augment(*batch, params(drop_sequence=1.0), generator())
    for image in images:
        same = [torch.allclose(image[c], image[1]) for c in (0, 2)]
        assert sorted(same) == [False, True]


def test_same_generator_same_result(batch: tuple) -> None:
    strong = params(
        flip=0.5, rotation_deg=20, scale=0.2, shift=0.1, contrast=0.2, brightness=0.2, gamma=0.2, noise=0.2,
        drop_sequence=0.5,
    )  # fmt: skip
    first, again, other = (augment(*batch, strong, generator(s))[0] for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.isfinite(first).all()


def test_slices_of_a_sample_change_alike(batch: tuple) -> None:
    """What is drawn for a sequence holds for the slice, its neighbours and its mirror image; noise differs."""
    images, masks = batch
    strengths = params(flip=0.5, rotation_deg=20.0, contrast=0.5, brightness=0.5, gamma=0.5, drop_sequence=0.5)
    alone, moved = augment(images, masks, strengths, generator(4))
    stacked, same = augment(images.repeat(1, 3, 1, 1), masks, strengths, generator(4))
    assert stacked.shape == (4, 9, 64, 64)
    torch.testing.assert_close(stacked, alone.repeat(1, 3, 1, 1))
    torch.testing.assert_close(same, moved)


def test_flair_only(batch: tuple) -> None:
    images, _ = augment(*batch, params(flair_only=1.0), generator())
    for channel in (0, 2):
        torch.testing.assert_close(images[:, channel], images[:, 1])


def test_a_field_multiplies_what_is_above_air_and_is_smooth() -> None:
    images = torch.full((64, 3, 33, 33), 1.0)
    found, _ = augment(images, torch.zeros(64, 1, 33, 33), params(bias=0.3), generator())
    factor = (found - AIR) / (1.0 - AIR)
    assert (factor > 0).all()
    logarithm = factor.log()
    assert logarithm.abs().amax() <= 0.3 * (2 + 1 + 2 * 2 / 3) + 1e-4  # all five terms at a corner
    assert logarithm.abs().amax() > 0.5
    # a polynomial of second order: its third differences along an axis are 0
    third = logarithm.diff(dim=3).diff(dim=3).diff(dim=3)
    torch.testing.assert_close(third, torch.zeros_like(third), atol=1e-4, rtol=0)
    assert not torch.equal(factor[:, 0], factor[:, 1])  # each sequence by itself
    assert not torch.equal(factor[0], factor[1])


@pytest.mark.parametrize(("strength", "draws"), [(0.0, 0), (0.3, 1)])
def test_no_field_draws_no_numbers(batch: tuple, monkeypatch: pytest.MonkeyPatch, strength: float, draws: int) -> None:
    """Results without it are those of before it existed."""
    asked = []
    monkeypatch.setattr(module, "_field", lambda *_: asked.append(1) or 1.0)
    augment(*batch, params(noise=0.1, bias=strength), generator())
    assert len(asked) == draws
