"""``scenesearch models list|verify|fetch|export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

if TYPE_CHECKING:
    from scenesearch.models.weights import ModelRecord, WeightFinder

models = typer.Typer(
    help="Which models there are, and whether they are here.", no_args_is_help=True
)
app.add_typer(models, name="models")


def _rows(config: str | None, *, verify: bool) -> list[dict[str, Any]]:
    from scenesearch.config.settings import load_settings
    from scenesearch.models.weights import WeightFinder

    settings = load_settings(config)
    finder = WeightFinder(settings.weights_dir, settings.trusted_sha256)
    rows = []
    for record in finder.manifest.values():
        path = finder.locate(record)
        state = "here" if path else "missing"
        if path and verify:
            state = _state(finder, record, path)
        rows.append(
            {
                "name": record.name,
                "task": record.task,
                "state": state,
                "path": str(path) if path else None,
                "megabytes": record.megabytes,
                "licence": record.licence,
                "source": record.source,
                "note": record.note,
            }
        )
    return rows


def _state(finder: WeightFinder, record: ModelRecord, path: Path) -> str:
    """Whether a file is one that the manifest, or the user's own of what was fetched, knows."""
    from scenesearch.core.errors import ModelError
    from scenesearch.models.fetched import read_fetched
    from scenesearch.models.weights import sha256_of

    if record.hub and finder.models_dir and record.file in read_fetched(finder.models_dir):
        try:
            finder.find(record.name)
        except ModelError:
            return "unknown hash"
        return "verified"
    return "verified" if sha256_of(path) in record.sha256 else "unknown hash"


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.data(rows)
        return
    for row in rows:
        output.line(
            f"{row['name']:<24} {row['task']:<8} {row['state']:<13} {row['megabytes']:>4} MB  "
            f"{row['licence']:<11} {row['path'] or row['source']}"
        )


@models.command("list")
def list_models(config: options.Config = None, as_json: options.Json = False) -> None:
    """Every model known by name."""
    _print(_rows(config, verify=False), as_json=as_json)


@models.command()
def verify(config: options.Config = None, as_json: options.Json = False) -> int:
    """Hash the files that are here; exit code 4 when one is not what the manifest says."""
    rows = _rows(config, verify=True)
    _print(rows, as_json=as_json)
    return 4 if any(row["state"] == "unknown hash" for row in rows) else 0


@models.command()
def export(config: options.Config = None, as_json: options.Json = False) -> None:
    """Export a profile's models to ONNX, which runs without torch; what is there stays."""
    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import export_models

    made = {name: str(path) for name, path in export_models(load_settings(config)).items()}
    if as_json:
        output.data(made)
        return
    for name, path in made.items():
        output.line(f"{name}: {path}")


@models.command()
def fetch(
    profile: Annotated[str, typer.Argument(help="A profile, or a model of models list.")],
    endpoint: Annotated[
        str, typer.Option("--endpoint", envvar="HF_ENDPOINT", help="Address of the model hub.")
    ] = "https://huggingface.co",
    renew: Annotated[
        bool, typer.Option("--renew", help="Take what the hub has now, with its hashes of now.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Bring a profile's models from their hub into the folder of weights.

    Stopped at any moment, the same command goes on. The hub's own hashes are written down the first
    time and hold from then on.
    """
    from scenesearch.wiring import fetch_profile

    with output.progress() as progress:
        done = fetch_profile(profile, endpoint=endpoint, renew=renew, progress=progress)
    if as_json:
        output.data(
            [
                {
                    "name": one.name,
                    "path": str(one.path),
                    "bytes": one.size,
                    "sha256": one.sha256,
                    "new": one.new,
                }
                for one in done.files
            ]
        )
        return
    for one in done.files:
        state = "fetched" if one.new else "here already"
        output.line(f"{state}: {one.path} ({one.size / 1e6:,.1f} MB, sha256 {one.sha256})")
    output.remarks(done.notes)
