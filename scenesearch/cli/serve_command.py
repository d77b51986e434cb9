"""``scenesearch serve``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.extras import extra

if TYPE_CHECKING:
    from fastapi import FastAPI

    from scenesearch.config.settings import Settings

DEFAULT_STORE = "store"


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on; beyond loopback with keys.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", "-p", min=0, max=65_535, help="0 for any free one.")
    ] = None,
    store: options.Store = DEFAULT_STORE,
    collection: options.Collection = "items",
    config: options.Config = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, max=64, help="Services behind the port; needs service.state."
        ),
    ] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors only.")] = False,
) -> None:
    """Serve REST and a web page over a collection, until Ctrl-C or SIGTERM."""
    with extra("serve", "The service"):
        from asgi_correlation_id import correlation_id

        from scenesearch.demo import sample
        from scenesearch.service import assemble
        from scenesearch.service.http.serve import bind, run
        from scenesearch.service.http.workers import Workers, check_workers
    from scenesearch.config.settings import load_settings
    from scenesearch.system.disk import check_writable
    from scenesearch.system.log_lines import log_to_stderr
    from scenesearch.wiring import is_url

    settings = _at(load_settings(config), host, port)
    log_to_stderr(
        settings.service.log, logging.WARNING if quiet else logging.INFO, correlation_id.get
    )
    as_json = settings.service.log == "json"
    log = logging.getLogger("scenesearch.service")
    remark = log.warning if as_json else output.note
    say = log.info if quiet or as_json else output.note
    check_writable(settings.cache_dir, "cache_dir")
    if settings.service.state_dir is not None:
        check_writable(settings.service.state_dir, "service.state_dir")
    check_workers(settings, workers, server=is_url(store))
    # a port that is taken is said before models load
    sockets = bind(settings.service)
    place: str | Path = store
    if config is None and store == DEFAULT_STORE and not Path(store).exists():
        remark(
            f"no collection in ./{store}: serving the sample catalogue that comes with the "
            "package, indexed first where it was not yet (half a minute); "
            "scenesearch index CATALOG makes one of your own"
        )
        settings, place = sample.prepare()
        settings, collection = _at(settings, host, port), sample.COLLECTION
    if not settings.detectors:
        say(
            "no detector: photos are searched whole, in parts, and by the boxes you give"
            + ("; scenesearch models list says where to get yolov8n-seg" if config is None else "")
        )
    if workers > 1 and not Workers(workers).run():
        say("stopped")
        return
    say("loading models ...")

    async def open_app() -> FastAPI:
        return await assemble.open_app(settings, place, collection)

    def listening(url: str) -> None:
        service = settings.service
        keys = "keys needed" if service.guarded else "no keys needed"
        say(f"listening on {url} ({keys}), serving collection {collection!r} of {place}")

    run(settings.service, sockets, open_app, listening, lambda: load_settings(config))
    say("stopped")


def _at(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with another address."""
    given = options.given(host=host, port=port)
    return settings.model_copy(update={"service": settings.service.model_copy(update=given)})
