"""``scenesearch backup`` and ``scenesearch restore``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from scenesearch.config.settings import Settings

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Of the backup.")]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", metavar="URL", help="Another node of the server's cluster; repeatable."),
]
StateDir = Annotated[
    Path | None, typer.Option("--state-dir", help="The service's, where settings name another.")
]


@app.command()
def backup(
    folder: Folder,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    node: Nodes = None,
    state_dir: StateDir = None,
    as_json: options.Json = False,
) -> None:
    """Copy collections, jobs, feedback and photos of inserted items, also while a service runs.

    A service that has an embedded store open makes the copy itself: DIR must lie in the folder that
    its service.backup_dir names, and it is asked at its settings' address with its first write key.
    """
    from scenesearch.backup import back_up
    from scenesearch.config.settings import load_settings
    from scenesearch.scenes.points import SCENES
    from scenesearch.wiring import copyable, is_url, stored_name
    from scenesearch.wiring import state_dir as state_of

    settings = load_settings(config)
    nodes = node or ()
    held = {}
    for name in (collection, SCENES):
        found = copyable(settings, store, stored_name(settings, store, name), nodes)
        if found is not None:
            held[name] = found
    if not held:
        raise StoreError(f"{store} has no collection {collection!r}; nothing was copied")
    there = state_dir or state_of(settings, store)
    try:
        for opened in held.values():
            if not is_url(store):
                opened.count()  # type: ignore[attr-defined]
        done = asdict(
            back_up(folder, held, there, embedded=not is_url(store), nodes=len(nodes) + 1)
        )
    except StoreUnavailableError as error:
        if is_url(store):
            raise
        done = _by_service(settings, folder, error)
    _tell(done, "copied to", folder, as_json)


@app.command()
def restore(
    folder: Folder,
    store: options.Store = "store",
    config: options.Config = None,
    node: Nodes = None,
    state_dir: StateDir = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read all of it and write nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check a backup and put it in place, where there is nothing yet: no collection, no state."""
    from scenesearch import backup, wiring
    from scenesearch.config.settings import load_settings
    from scenesearch.core.protocols import Store

    settings = load_settings(config)

    def open_in(root: str | Path, name: str) -> Store:
        cramped = wiring.is_cramped(settings, root)
        return wiring.build_store(settings, root, name, process=cramped)

    if check:
        manifest = backup.check(folder)
        if manifest.embedded:
            backup.check_embedded(folder, manifest, open_in)
        size = sum(one for one, _ in manifest.files.values())
        photos = sum(name.startswith("photos/") for name in manifest.files)
        found = {"made": manifest.made, "collections": manifest.collections, "photos": photos}
        _tell({**found, "bytes": size}, "whole", folder, as_json)
        return
    embedded = backup.read_manifest(folder).embedded

    def put_back(name: str, part: Path) -> None:
        wiring.put_back(settings, store, name, part, embedded=embedded, nodes=node or ())

    there = state_dir or wiring.state_dir(settings, store)
    done = backup.restore(folder, there, put_back, lambda name: open_in(store, name))
    _tell(asdict(done), "restored from", folder, as_json)


def _tell(found: dict[str, Any], what: str, folder: Path, as_json: bool) -> None:
    counts = found["collections"].items()
    points = ", ".join(f"{name}: {'?' if n is None else f'{n:,}'} points" for name, n in counts)
    output.answer(found, f"{what} {folder}: {points}; {found['photos']:,} photos", as_json=as_json)


def _by_service(settings: Settings, folder: Path, why: StoreUnavailableError) -> dict[str, Any]:
    """Let the service that has the store open make the backup.

    Raises:
        StoreError: it makes none there, or says why not.
        StoreUnavailableError: no service answers; says who has the store open.
    """
    import json
    from http.client import HTTPConnection

    service = settings.service
    place = service.backup_dir
    if place is None or folder.absolute().parent != place.absolute():
        raise StoreError(
            f"{why}. Or let the service that has it open make the backup: DIR must lie in its "
            f"service.backup_dir, which is {place or 'not set'}, got {folder}",
            code="backup_dir",
        ) from why
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(service.host, service.host)  # noqa: S104
    headers = {"Content-Type": "application/json"}
    if service.write_keys:
        headers["Authorization"] = f"Bearer {service.write_keys[0].get_secret_value()}"
    with closing(HTTPConnection(host.strip("[]"), service.port)) as connection:
        try:
            connection.request("POST", "/v1/backups", json.dumps({"name": folder.name}), headers)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except (OSError, ValueError) as error:
            raise StoreUnavailableError(
                f"{why}. No service answers at {host}:{service.port} either: {error}"
            ) from why
    if answer.status != 201:
        raise StoreError(f"the service made no backup: {body.get('detail', body)}")
    return {**body, "folder": str(folder)}
