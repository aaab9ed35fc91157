from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from brainseg.errors import DataError, ParamsError
from brainseg.model.encoder_weights import packaged_path, read_state_dict
from brainseg.model.networks import LITE0, NetworkParams, PlainUNet, build_network, import_smp


def params(**changes: object) -> NetworkParams:
    content = {"encoder": LITE0, "encoder_weights": "none", "decoder_channels": [32, 24, 16, 16, 8]}
    return NetworkParams(**(content | changes))


PLAIN = {"encoder": "plain", "encoder_weights": "none", "decoder_channels": [32, 16, 8]}


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("unet", {}),
        ("unetpp", {}),
        ("unet", {"encoder": "resnet18"}),
        ("unetpp", {"encoder": "resnet18"}),
        ("unet", PLAIN),
    ],
)
def test_one_contract_for_every_network(architecture: str, changes: dict) -> None:
    """Logits of the input's size, finite; every weight learns; slices do not see each other in eval mode."""
    torch.manual_seed(0)
    network = build_network(architecture, params(**changes))
    images = torch.randn(2, 3, 64, 64)
    logits = network.train()(images)
    assert logits.shape == (2, 1, 64, 64)
    assert logits.dtype == torch.float32
    logits.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    network.eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(images)[1:], network(images[1:]), rtol=1e-4, atol=1e-5)


def test_packaged_weights_give_timms_own_features() -> None:
    """The package's tensors, matched by position, against timm's classifier with the same tensors."""
    import_smp()
    import timm

    reference = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    names = [key for key in reference.state_dict() if not key.endswith("num_batches_tracked")]
    stored = [v for k, v in read_state_dict(packaged_path()).items() if not k.endswith("num_batches_tracked")]
    assert len(names) == len(stored)
    reference.load_state_dict(dict(zip(names, stored, strict=True)), strict=False)
    encoder = build_network("unet", params(encoder_weights="packaged")).encoder.eval()
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        deepest = reference.bn1(reference.conv_stem(image))
        for block in reference.blocks:
            deepest = block(deepest)
        torch.testing.assert_close(encoder(image)[-1], deepest, rtol=0, atol=0)


def test_plain_unet_is_the_text_s() -> None:
    """Channels double going down, 2x2 transposed convolutions halve them, 1x1 output; hand-counted weights."""
    network = PlainUNet([4, 8])
    convolutions = 3 * 4 * 9 + 4 * 4 * 9 + 4 * 8 * 9 + 8 * 8 * 9 + 8 * 4 * 9 + 4 * 4 * 9
    norms = 2 * (4 + 4 + 8 + 8 + 4 + 4)
    up, head = 8 * 4 * 4 + 4, 4 + 1
    assert sum(p.numel() for p in network.parameters()) == convolutions + norms + up + head
    assert [m.kernel_size for m in network.grow] == [(2, 2)]
    assert network.head.kernel_size == (1, 1)


def test_weights_from_a_file(tmp_path: Path) -> None:
    source = build_network("unet", params())
    path = tmp_path / "encoder.safetensors"
    save_file(source.encoder.state_dict(), path)
    loaded = build_network("unet", params(encoder_weights=str(path)))
    for key, value in source.encoder.state_dict().items():
        torch.testing.assert_close(loaded.encoder.state_dict()[key], value, rtol=0, atol=0)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(DataError, match=r"encoder\.safetensors do not exist"):
        build_network("unet", params(encoder_weights=str(path)))
    save_file(build_network("unet", params(encoder="resnet18")).encoder.state_dict(), path)
    with pytest.raises(DataError, match=r"do not fit the encoder: model\.conv_stem\.weight is missing"):
        build_network("unet", params(encoder_weights=str(path)))
    path.write_bytes(b"garbage" * 10)
    with pytest.raises(DataError, match="cannot be read"):
        build_network("unet", params(encoder_weights=str(path)))


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "exploded").touch, ())

    path = tmp_path / "weights.pth"
    torch.save({"a": Bomb()}, path)
    with pytest.raises(DataError, match="cannot be read"):
        build_network("unet", params(encoder_weights=str(path)))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["efficientnet", "tu-nothing", "resnet1"])
def test_unknown_encoder_is_named(name: str) -> None:
    with pytest.raises(ParamsError, match=rf"unet\.encoder is '{name}'"):
        build_network("unet", params(encoder=name))


def test_plain_is_no_unetpp() -> None:
    with pytest.raises(ParamsError, match=r"unetpp\.encoder is 'plain'"):
        build_network("unetpp", params(**PLAIN))


def test_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import_smp()
    import timm

    def no_network(*_: object, **__: object) -> None:
        raise ConnectionError

    # what smp calls, whatever the encoder: no test waits for a network
    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(DataError, match=r"cannot be downloaded .* set unet\.encoder_weights to packaged"):
        build_network("unet", params(encoder_weights="imagenet"))


@pytest.mark.parametrize("changes", [{"encoder_weights": "packaged"}, PLAIN])
def test_added_channels_start_without_a_say(changes: dict) -> None:
    """The first answer with neighbours is that of the slice alone; then the added weights learn."""
    torch.manual_seed(0)
    alone = build_network("unet", params(**changes)).eval()
    torch.manual_seed(0)
    wide = build_network("unet", params(**changes), channels=9).eval()
    images = torch.randn(2, 9, 64, 64)
    torch.testing.assert_close(wide(images), alone(images[:, :3]))
    wide(images).sum().backward()
    first = next(module for module in wide.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.weight.shape[1] == 9
    assert first.weight.grad is not None
    assert first.weight.grad[:, 3:].abs().sum() > 0


def test_a_network_that_nobody_knows_is_named() -> None:
    with pytest.raises(ParamsError, match="there is no network 'vnet', expected unet or unetpp"):
        build_network("vnet", params())
