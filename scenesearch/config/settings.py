"""Settings: defaults in code, a YAML profile over them, the environment over both.

Environment variables are ``SCENESEARCH_`` + the name in capitals, ``__`` between levels
(``SCENESEARCH_REGIONS__LIMIT=8``); lists and whole sections are JSON. Keys may lie in files
(``config/secret_files.py``). Unknown keys of a profile or of a section are refused, with the
nearest names.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_cache_path
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from scenesearch.config.environment import BETWEEN, PREFIX, check_environment
from scenesearch.config.fetch import CatalogFetchSettings
from scenesearch.config.profile_file import read_profile
from scenesearch.config.search import SearchOptions
from scenesearch.config.secret_files import names_file, secrets_of
from scenesearch.config.service import ServiceSettings
from scenesearch.core.errors import ConfigError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import FieldType
from scenesearch.system.resources import resource_dir

Share = float
Runtime = Literal["auto", "onnx", "torch"]
Channel = Annotated[int, Field(ge=0, le=255)]


def _word(value: Any) -> Any:
    # YAML 1.1 reads a bare on or off as a boolean
    return ("off", "on")[value] if isinstance(value, bool) else value


When = Annotated[Literal["off", "fallback", "on"], BeforeValidator(_word)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectorSettings(_Section):
    """One detector; several run side by side and their boxes are merged.

    Each gives at most 100 boxes of a photo.
    """

    model: str = "yolov8n-seg"
    """A name of the manifest, or a path to an ultralytics .pt or .onnx."""
    confidence: Share = Field(0.15, ge=0, le=1)
    """Boxes that the detector is less sure of are dropped."""
    image_size: int = Field(640, ge=64, le=2048)
    """Longer side in pixels of what the detector looks at; photos are scaled to it."""
    suppression_iou: Share = Field(0.7, gt=0, le=1)
    """Intersection over union above which two boxes of one label are one, in the detector itself;
    across labels and detectors that is ``regions.overlap``."""
    include: tuple[str, ...] = ()
    """Only these labels, in any case; empty for all."""
    exclude: tuple[str, ...] = ()
    """None of these labels, in any case."""
    runtime: Runtime = "auto"
    """``onnx`` exports a .pt once and runs that, ``torch`` runs it as it is; ``auto``: ``onnx``
    where ``embedder.device`` is ``cpu``."""


class CutoutSettings(_Section):
    """How an object is separated from its background."""

    background: tuple[Channel, Channel, Channel] = (255, 255, 255)
    """RGB that takes the background's place."""
    matting: Literal["auto", "never"] = "auto"
    """``auto``: photos of one thing whose background is not plain are cut out by the remover, when
    its weights are on this machine; ``never``: they stay as they are."""
    remover: str = "isnet-general-use"
    """IS-Net's weights: a name of the manifest, or a path of its .onnx."""
    min_share: Share = Field(0.05, ge=0, le=1)
    """Share of its region that the mask of a detector or of the remover must cover to be used."""
    max_share: Share = Field(0.98, ge=0, le=1)
    """Share of its region above which a mask says nothing, and the plain crop is taken."""
    context_padding: Share = Field(0.15, ge=0, le=1)
    """The context crop is the box grown by this share of its width and height on every side."""


class OneEmbedder(_Section):
    """One model of pictures, and perhaps of words."""

    kind: Literal["timm", "open_clip", "onnx"] = "timm"
    """The library that the model is of, or ``onnx``: an exported model, which needs none."""
    model: str = "tf_efficientnet_lite0"
    """timm architecture, open_clip name, or an open_clip config (.json): a path, or one of ours;
    an ``onnx`` has none."""
    weights: str = "tf_efficientnet_lite0"
    """A name of the manifest, or a path to a checkpoint; for open_clip also ``hub`` or ``hub:TAG``
    (needs ``offline: false``)."""
    layer: Literal["head", "blocks"] = "blocks"
    """timm only: features of the classifier's head, or of the last block."""
    pooling: Literal["avg", "gem"] = "gem"
    """timm only: how features become one vector, by their average or generalised mean (p = 3)."""
    image_size: int = Field(224, ge=32, le=1024)
    """timm only: side in pixels of the square input; an open_clip model has its own."""
    batch: int = Field(16, ge=1, le=1024)
    """Pictures at a time; on a CPU small batches are as fast and take less memory."""
    precision: Literal["float32", "bf16", "int8"] = "float32"
    """Of the computation, and part of what a collection is made with; ``bf16`` needs ``runtime:
    torch``, ``int8`` (half the time on a CPU with VNNI) ``runtime: onnx``."""


class EmbedderSettings(OneEmbedder):
    """What turns pictures into vectors."""

    runtime: Runtime = "auto"
    """``onnx`` runs an export that is made once; ``auto``: that where
    ``device`` is ``cpu``, else ``torch``."""
    device: str = "cpu"
    """torch's name of the device of embedder and detectors, such as ``cuda``."""
    whiten: int = Field(0, ge=0)
    """Dimensions of a partly whitening PCA fitted on the collection, once it is made of at least
    3 photos a dimension; 0 for none. Of a model with a trained space and features beside it, of the
    features alone."""
    also: tuple[OneEmbedder, ...] = ()
    """Further models, whose numbers are joined to these: each looks at every picture, for its own
    time. ``whiten`` is of all features together; words and classes are of the first."""


class RegionSettings(_Section):
    """Which parts of a query photo are searched; of a catalogue photo where ``index.objects``."""

    limit: int = Field(12, ge=1, le=64)
    """The largest number of detected objects; the whole photo and its nine tiles come on top."""
    min_area: Share = Field(0.004, ge=0, le=1)
    """Share of the photo's area that an object's box must have."""
    overlap: Share = Field(0.7, gt=0, le=1)
    """Boxes whose intersection over union is above this are one object, whatever their labels;
    above 0.5 where their labels end in the same word, as ``chair`` and ``Chair``."""
    whole: When = "fallback"
    """Search the photo as a whole too; ``fallback``: only where nothing was detected. It is
    searched in any case where there is no other region."""
    tiles: When = "fallback"
    """Likewise for nine half-overlapping windows of half the photo's sides."""


class TaggingSettings(_Section):
    """Which detections become objects of a row: a table of what is there wants the small ones."""

    limit: int = Field(100, ge=1, le=1000)
    """The largest number of objects of a row; more than 100 need several detectors."""
    min_area: float = Field(0.0, ge=0, lt=1)
    """Share of the photo's area that an object's box must have."""
    overlap: float = Field(0.7, gt=0, le=1)
    """Boxes whose intersection over union is above this are one object, whatever their labels;
    above 0.5 where their labels end in the same word, as ``chair`` and ``Chair``."""


class IndexSettings(_Section):
    """How a catalogue becomes points."""

    batch: int = Field(64, ge=1, le=4096)
    """Photos that are embedded, and kept in the embedding cache, together: what a kill can cost."""
    colours: bool = True
    """Store a vector of colours beside the embeddings; colours are named either way."""
    objects: bool = False
    """Every object that the detectors see in a catalogue photo is a region of its own."""
    ocr: bool = False
    """Text in catalogue photos is read, and found by words (``pip install 'scenesearch[ocr]'``)."""
    augment: int = Field(0, ge=0, le=20)
    """Nearest neighbours that each stored vector is moved towards; see docs/ranking.md."""
    workers: int = Field(2, ge=1, le=64)
    """Threads that decode, cut and describe; never more than there are cores."""
    vectors: tuple[str, ...] = ()
    """Columns of vectors in catalogues, that items are compared by as well; see docs/catalog.md."""


class StoreSettings(_Section):
    """How a collection is kept."""

    quantization: Literal["auto"] | Quantization = "auto"
    """Of a collection that is made; one that is there keeps its own, which ``scenesearch
    quantize`` changes. ``none`` searches the vectors; ``int8`` and ``binary`` codes of a quarter
    and a thirty-second of their size, and scores the best 2 or 8 times as many as are wanted again
    by the vectors; ``auto``: ``int8`` in an embedded store, ``none`` on a server. See
    docs/scale.md."""
    tenant_field: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """Attribute that says whose an item is, where several share a collection: indexed as Qdrant
    indexes tenants, and what a key of the service with a ``tenant`` is bound to."""
    on_disk: Literal["auto"] | bool = "auto"
    """Whether vectors are read from the disk as they are needed, of a collection that is made or
    that ``scenesearch quantize`` changes; ``auto``: where codes are searched first."""
    memory: Literal["auto"] | Memory = "auto"
    """Where those codes, or the graph where there are none, are held, likewise: ``pinned`` for
    good, ``cached`` as long as there is room, ``cold`` read as needed; ``auto``: codes are
    pinned."""
    retry_s: float = Field(120.0, ge=0, le=86_400)
    """Seconds that ``index`` and ``sync`` wait for a server that does not answer; anything else
    waits for a few."""
    shards: int | None = Field(None, ge=1, le=4096)
    """Of a collection that is made on a server; one a node by default."""
    replicas: int | None = Field(None, ge=1, le=100)
    """Copies of each shard; as many as nodes by default, at most 3."""
    write_consistency: int | None = Field(None, ge=1, le=100)
    """Copies that acknowledge a write; by default 2 where there are 3, else 1."""
    ca: Path | None = None
    """Certificates of the authority that signs the server's, in PEM; the system's by default."""
    cert: Path | None = None
    """This client's certificate, for a server that wants one."""
    key: Path | None = None
    """Its key, where that is not in the same file."""

    @model_validator(mode="after")
    def _some_copies_may_be_away(self) -> Self:
        most = None if self.replicas is None else max(1, self.replicas - 1)
        if most is not None and (self.write_consistency or 1) > most:
            raise ValueError(
                f"write_consistency is {self.write_consistency} of {self.replicas} replicas: "
                f"expected at most {most}, or every write fails while a node is down"
            )
        if self.key is not None and self.cert is None:
            raise ValueError("key needs cert, the certificate that it belongs to")
        return self


class Settings(BaseSettings):
    """Everything that can be set. See ``configs/`` for profiles."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=BETWEEN,
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    allow_unknown_env: bool = False
    """Whether variables of the environment that begin with ``SCENESEARCH_`` may be no setting."""
    models_dir: Path | None = None
    """Folder where weights of the manifest are looked for first, before those of the package, and
    fetched into; ``models`` in ``cache_dir`` by default."""
    cache_dir: Path = Field(default_factory=lambda: user_cache_path("scenesearch"))
    """Exported models, what the second look keeps, the sample's index, and the embeddings of
    tagging and of a server's collections; those of an embedded store lie in its folder."""
    cache_max_megabytes: int = Field(20_000, ge=0)
    """Size (10^6 bytes) above which the least recently used embeddings leave their file; 0 for no
    cap. About 8 KB a photo with ``cpu-small``, so this is two million photos."""
    trusted_sha256: tuple[str, ...] = ()
    """Hashes of further files that may be loaded though they can carry code: neither .onnx nor
    .safetensors."""
    offline: bool = True
    """Never ask a model hub for anything."""
    threads: int = Field(0, ge=0)
    """Cores that each model uses in ONNX Runtime; 0 for all. The embedder, and the detectors of a
    tagging run, work on a picture a core; the others, and a look's detectors, on one by all."""
    qdrant_api_key: str | None = Field(None, repr=False)
    """Sent to a Qdrant server with every request."""
    min_free_megabytes: int = Field(256, ge=0)
    """Free disk (10^6 bytes) below which an embedded store and the service refuse to write."""

    images: ImageLimits = ImageLimits()
    """What a photo may cost."""
    detectors: tuple[DetectorSettings, ...] = (DetectorSettings(),)
    """What finds objects, the most trusted first; none: photos are searched whole and in tiles."""
    cutout: CutoutSettings = CutoutSettings()
    """How an object is separated from its background."""
    embedder: EmbedderSettings = EmbedderSettings()
    """What turns pictures into vectors."""
    regions: RegionSettings = RegionSettings()
    """Which parts of a query photo are searched."""
    tagging: TaggingSettings = TaggingSettings()
    """Which detections become objects of a row."""
    fetch: CatalogFetchSettings = CatalogFetchSettings()
    """Whether photos of catalogues are fetched, where they are addresses."""
    fields: Mapping[str, FieldType] = {}
    """Types of attributes, where their values are not to decide: ``{rating: float}``."""
    index: IndexSettings = IndexSettings()
    """How a catalogue becomes points."""
    store: StoreSettings = StoreSettings()
    """How a collection is kept."""
    search: SearchOptions = SearchOptions()
    """How answers are made, where a search does not say otherwise."""
    service: ServiceSettings = ServiceSettings()
    """How the service listens, whom it lets in, and what it lets them cost."""

    @property
    def weights_dir(self) -> Path:
        """Where weights are looked for first and fetched into: ``models_dir``, or the default."""
        return self.models_dir or self.cache_dir / "models"

    @property
    def declared_fields(self) -> Mapping[str, FieldType]:
        """Types of attributes that their values do not decide: ``fields`` and the tenant's."""
        tenant = self.store.tenant_field
        return self.fields if tenant is None else {**self.fields, tenant: "keyword"}

    @model_validator(mode="after")
    def _tenants_have_a_field(self) -> Self:
        bound = [key.tenant for key in self.service.keys if key.tenant is not None]
        if bound and self.store.tenant_field is None:
            raise ValueError(
                f"a key has the tenant {bound[0]!r}, and nothing says whose an item is: expected "
                "store.tenant_field, the attribute that does (store: {tenant_field: tenant})"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes over the profile, which arrives as init values."""
        if isinstance(env_settings, EnvSettingsSource):
            values = env_settings.env_vars.items()
            env_settings.env_vars = {k: v for k, v in values if not names_file(k)}
        return env_settings, init_settings


def find_profile(config: str | Path) -> Path:
    """The YAML file of a path, or of the bare name of a profile that came with the package.

    Raises:
        ConfigError: there is no such file; names the profiles that exist.
    """
    path = Path(config)
    if path.is_file():
        return path
    shipped = resource_dir("configs")
    for candidate in (shipped / f"{config}.yaml", shipped / path.name):
        if candidate.is_file():
            return candidate
    names = ", ".join(sorted(p.stem for p in shipped.glob("*.yaml")))
    raise ConfigError(f"No config file {str(config)!r}; give a path, or one of: {names}")


def load_settings(config: str | Path | None = None, **overrides: Any) -> Settings:
    """Settings from a profile (path or name), ``overrides`` over it and the environment over both.

    Raises:
        ConfigError: the file is not readable YAML, or a key or value is wrong.
    """
    values: dict[str, Any] = {}
    where = "the settings"
    if config is not None:
        path = find_profile(config)
        where = str(path)
        values = read_profile(path)
    try:
        settings = Settings(**_merged({**values, **overrides}, secrets_of(os.environ)))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from error
    except SettingsError as error:
        raise ConfigError(
            f"The environment: {error}; expected JSON, or one variable a setting with __ between "
            f"levels (SCENESEARCH_SEARCH__LIMIT=5)"
        ) from error
    if not settings.allow_unknown_env:
        check_environment(Settings, os.environ)
    return settings


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of values as one; ``over`` wins."""
    merged = dict(under)
    for name, value in over.items():
        there = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(there, Mapping)
        merged[name] = _merged(there, value) if both else value  # type: ignore[arg-type]
    return merged


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    name = ".".join(path)
    if first["type"] not in {"extra_forbidden", "unexpected_keyword_argument"}:
        secret = "key" in name or name == "service.state"
        got = "a value not shown here" if secret else repr(first["input"])
        return f"{name}: {first['msg']}, got {got}"
    known = sorted(_names_beside(path))
    near = difflib.get_close_matches(path[-1], known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known here: {', '.join(known)}"
    return f"unknown setting {name!r}; {hint}"


def _names_beside(path: Sequence[str]) -> list[str]:
    """The names that exist where the last part of ``path`` was looked for."""
    section: type[BaseModel] = Settings
    for part in path[:-1]:
        field = section.model_fields.get(part)
        if field is None:  # the number of an element
            continue
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if is_dataclass(kind):
                return [one.name for one in fields(kind)]
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                section = kind
                break
    return list(section.model_fields)
