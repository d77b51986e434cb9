"""``scenesearch models list|verify|export``."""

from __future__ import annotations

from typing import Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

models = typer.Typer(
    help="Which models there are, and whether they are here.", no_args_is_help=True
)
app.add_typer(models, name="models")


def _rows(config: str | None, *, verify: bool) -> list[dict[str, Any]]:
    from scenesearch.config.settings import load_settings
    from scenesearch.models.weights import WeightFinder, sha256_of

    settings = load_settings(config)
    finder = WeightFinder(settings.models_dir, settings.trusted_sha256)
    rows = []
    for record in finder.manifest.values():
        path = finder.locate(record)
        state = "here" if path else "missing"
        if path and verify:
            state = "verified" if sha256_of(path) in record.sha256 else "unknown hash"
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
