import os
from pathlib import Path

import pytest
import yaml

from brainseg.data.phantom import PhantomParams
from brainseg.errors import ParamsError
from brainseg.model.augment import AugmentParams
from brainseg.params import Params, load_section, load_seed, parse_json, read_yaml, shipped, shipped_section
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.skull_strip import SkullStripParams
from demo.run import merge
from stages.check import KINDS, check

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "params.yaml"


def write(tmp_path: Path, **changes: object) -> Path:
    """The shipped params.yaml with dotted keys replaced."""
    content = yaml.safe_load(SHIPPED.read_text())
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        section = content
        for parent in parents:
            section = section[parent]
        section[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_every_section_has_a_class() -> None:
    assert {"seed", *KINDS} == set(shipped())


def test_shipped_parameters_are_valid_and_complete() -> None:
    load_seed(SHIPPED)
    for section, kind in KINDS.items():
        loaded = load_section(SHIPPED, section, kind)
        assert loaded.model_dump(mode="json", exclude_unset=True) == yaml.safe_load(SHIPPED.read_text())[section]


def test_no_class_has_a_default_of_its_own() -> None:
    """A missing key is named, with its file: what is recommended stands in one file alone."""
    kinds, optional = list(KINDS.values()), set()
    for kind in kinds:
        fields = kind.model_fields
        kinds += [one for one in (field.annotation for field in fields.values()) if one in Params.__subclasses__()]
        optional |= {(kind, name) for name, field in fields.items() if not field.is_required()}
    # given with one method of brain extraction alone, and not in the shipped file
    assert optional == {(SkullStripParams, "weights_sha256"), (SkullStripParams, "weights")}
    assert {AugmentParams, PhantomParams} < set(kinds)


@pytest.mark.parametrize(
    ("section", "key"),
    [("skull_strip", "max_fraction"), ("clahe", "enabled"), ("train", "replicate"), ("radiogenomics", "ibsi")],
)
def test_a_missing_key_is_named_with_its_file(tmp_path: Path, section: str, key: str) -> None:
    content = shipped()
    del content[section][key]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=rf"{path}: {section}\.{key} is missing\."):
        load_section(path, section, KINDS[section])


def test_the_package_ships_params_yaml() -> None:
    assert (ROOT / "brainseg" / "defaults.yaml").read_text() == SHIPPED.read_text()
    assert shipped() == yaml.safe_load(SHIPPED.read_text())


def test_a_shipped_section_takes_changes_and_names_a_mistake() -> None:
    assert shipped_section("clahe", ClaheParams) == load_section(SHIPPED, "clahe", ClaheParams)
    assert shipped_section("clahe", ClaheParams, clip_limit=3.0).clip_limit == 3.0
    with pytest.raises(ParamsError, match=r"unknown key clahe\.clip"):
        shipped_section("clahe", ClaheParams, clip=3.0)


def test_the_demo_s_parameters_are_valid(tmp_path: Path) -> None:
    demo = merge(yaml.safe_load(SHIPPED.read_text()), yaml.safe_load((ROOT / "demo" / "params.yaml").read_text()))
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(demo))
    check(path)


BAD = [
    ({"clahe__clip_limit": "high"}, "clahe", ["clahe.clip_limit", "'high'", "number"]),
    ({"clahe__clip_limit": -1.0}, "clahe", ["clahe.clip_limit", "-1.0", "greater than"]),
    ({"clahe__enabled": 1}, "clahe", ["clahe.enabled", "1", "boolean"]),
    ({"clahe__clip_limt": 2.0}, "clahe", ["unknown key", "clip_limt", "did you mean 'clip_limit'"]),
    ({"clahe": [1]}, "clahe", ["clahe is [1]", "expected a mapping"]),
    ({"skull_strip__method": "bet"}, "skull_strip", ["skull_strip.method", "'bet'", "deepbet"]),
    ({"split__test": 0.9}, "split", ["val + test", "nothing to train on"]),
    ({"split__fold": 1}, "split", ["fold is 1", "0 to 0"]),
    ({"split__by": "slice", "split__folds": 5}, "split", ["by patient only"]),
    ({"split__by": "volume"}, "split", ["split.by", "'volume'", "patient"]),
    ({"train__input_size": 100}, "train", ["train.input_size", "100", "multiple of 32", "96"]),
    ({"train__batch_size": 0}, "train", ["train.batch_size", "0", "greater than or equal to 1"]),
    ({"train__augment__flip": 2.0}, "train", ["train.augment.flip", "2.0", "less than or equal to 1"]),
    ({"train__augment__mirror": 0.5}, "train", ["unknown key", "train.augment.mirror"]),
    ({"unet__lr": "fast"}, "unet", ["unet.lr", "'fast'"]),
    ({"unet__encoder": "resnet18"}, "unet", ["packaged", "resnet18", "imagenet"]),
    ({"unet__decoder_channels": [16]}, "unet", ["unet.decoder_channels", "at least 2"]),
    ({"download__source": "web"}, "download", ["download.source", "'web'", "kaggle"]),
    ({"download__source": "archive", "download__path": None}, "download", ["path", "archive"]),
    ({"filter_labeled__empty_per_labeled": -0.5}, "filter_labeled", ["empty_per_labeled", "-0.5"]),
    ({"postprocess__thresholds": []}, "postprocess", ["postprocess.thresholds", "at least 1"]),
    ({"postprocess__thresholds": [0.5, 1.5]}, "postprocess", ["postprocess.thresholds", "1.5"]),
    ({"evaluate__bootstrap": 3}, "evaluate", ["evaluate.bootstrap", "3"]),
]


@pytest.mark.parametrize(("changes", "section", "words"), BAD, ids=[str(list(c)) for c, _, _ in BAD])
def test_bad_parameter_is_named(tmp_path: Path, changes: dict, section: str, words: list[str]) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(ParamsError) as caught:
        load_section(path, section, KINDS[section])
    message = str(caught.value)
    assert "\n" not in message
    for word in [*words, str(path)]:
        assert word in message


@pytest.mark.parametrize("seed", [None, "1", 1.5, True, -1, 2**32])
def test_bad_seed_is_named(tmp_path: Path, seed: object) -> None:
    with pytest.raises(ParamsError, match=r"seed is .* expected an integer from 0"):
        load_seed(write(tmp_path, seed=seed))


def test_unknown_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="unknown key 'unett', did you mean 'unet'"):
        read_yaml(write(tmp_path, unett={}))


def test_missing_section_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("seed: 1\n")
    with pytest.raises(ParamsError, match="the section 'clahe' is missing; add it"):
        load_section(path, "clahe", ClaheParams)
    path.write_text("seed: 1\nclache: {}\n")
    with pytest.raises(ParamsError, match=r"the section 'clahe' is missing, is it 'clache'\?$"):
        load_section(path, "clahe", ClaheParams)


def test_a_stage_is_not_concerned_with_sections_of_others(tmp_path: Path) -> None:
    path = write(tmp_path, unett={}, unet__lr="fast")
    assert load_section(path, "clahe", ClaheParams) == load_section(SHIPPED, "clahe", ClaheParams)
    assert load_seed(path) == load_seed(SHIPPED)


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1", "holds a list"),
        ("", "holds a NoneType"),
        ("[" * 100_000, "it nests too deep"),
        ("{a: " * 5_000 + "1" + "}" * 5_000, "it nests too deep"),
        (LAUGHS, "aliases stand for more than 10000 values"),
        ("seed: &s [*s]", "aliases stand for more than 10000 values, or for themselves"),
        ("seed: 1\nunet:\n  lr: 0.1\n  lr: 0.2\n", "the key 'lr' stands in line 3 and again in line 4"),
        ("seed: 1\nsplit: {}\n'seed': 2\n", "the key 'seed' stands in line 1 and again in line 3"),
        ("seed: 2001-99-99", "not valid YAML: month must be"),
        ("seed: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
        ("? [1, 2]\n: 3", "not valid YAML: .*unhashable key"),
        ("seed: !!python/object:os.system {}", "not valid YAML: could not determine a constructor"),
        ("3: 4", "unknown key '3'"),
        ("a: b\x07", "not valid YAML"),
    ],
    ids=lambda text: str(text)[:20],
)
def test_file_that_is_no_mapping(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ParamsError, match=words):
        read_yaml(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="does not exist"):
        read_yaml(tmp_path / "params.yaml")


def test_a_params_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.mkdir()
    with pytest.raises(ParamsError, match=r"params.yaml is not valid YAML: it is a folder; correct it there"):
        read_yaml(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ParamsError, match="it is not a regular file"):
        read_yaml(path)
    path.unlink()
    with path.open("wb") as handle:
        handle.truncate(1 << 30)
    with pytest.raises(ParamsError, match="it is larger than 1 MB"):
        read_yaml(path)
    path.write_bytes(b"seed: \xff")
    with pytest.raises(ParamsError, match="it is not UTF-8 at byte 6"):
        read_yaml(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("section", "key"),
    [("unet", "lr"), ("train", "weight_decay"), ("clahe", "clip_limit"), ("split", "val")],
)
def test_values_that_are_no_finite_number(tmp_path: Path, section: str, key: str, value: float) -> None:
    path = write(tmp_path, **{f"{section}__{key}": value})
    with pytest.raises(ParamsError, match=rf"{section}\.{key} is -?(nan|inf): "):
        load_section(path, section, KINDS[section])


def test_a_wrong_value_is_repeated_in_part(tmp_path: Path) -> None:
    with pytest.raises(ParamsError) as caught:
        load_section(write(tmp_path, clahe=["x" * 10_000]), "clahe", ClaheParams)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("path", "words"), [("~nosuch/data", "~nosuch/data names a user who is not known"), ("a\0b", "a character that no")]
)
def test_a_path_that_cannot_be(tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(ParamsError, match=rf"download\.path is .*{words}"):
        load_section(write(tmp_path, download__path=path), "download", KINDS["download"])


@pytest.mark.parametrize(
    ("text", "words"), [("[" * 100_000, "nests too deep"), ("[NaN]", "NaN is no number"), ("{", "Expecting property")]
)
def test_json_that_brainseg_did_not_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_parameters_are_frozen() -> None:
    params = ClaheParams(enabled=True, clip_limit=2.0, tile_grid=8)
    with pytest.raises(ValueError, match="frozen"):
        params.enabled = False


def test_check_names_every_mistake_of_every_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(SHIPPED)
    assert "every section is valid" in capsys.readouterr().out
    with pytest.raises(ParamsError) as caught:
        check(write(tmp_path, seed=-1, evaluate__bootstrap=3, clahe__enabled="yes"))
    assert "seed is -1" in str(caught.value)
    assert "clahe.enabled" in str(caught.value)
    assert "evaluate.bootstrap" in str(caught.value)
