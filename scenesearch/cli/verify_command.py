"""``scenesearch verify``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import DAMAGED, app

if TYPE_CHECKING:
    from scenesearch.verify.report import Report


@app.command()
def verify(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PATH|URL",
            help="A store, the output of a tagging run, or a file of either.",
        ),
    ] = "store",
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", help="Of the store; repeatable, all by default."),
    ] = None,
    config: options.Config = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read everything.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend it from what is whole, and from the embedding cache."),
    ] = False,
    as_json: options.Json = False,
) -> int:
    """See whether what is stored is what was written; exit code 7 where it is damaged."""
    from scenesearch.api.opened import Opened
    from scenesearch.api.verifying import verify_file, verify_store
    from scenesearch.config.settings import load_settings
    from scenesearch.service.state.database import FORM
    from scenesearch.tagging.ledger import ledger_path

    path = Path(what)
    forms = {"service.sqlite": FORM}
    if path.is_file() or ledger_path(path).is_file():
        named = path.name.endswith((".ledger", ".sqlite"))
        file = path if named else ledger_path(path)
        report = verify_file(file, deep=deep, repair=repair, forms=forms)
    else:
        first, *_ = [*(collection or []), "items"]
        opened = Opened(what, load_settings(config), collection=first)
        with closing(opened), output.progress() as progress:
            report = verify_store(
                opened,
                deep=deep,
                repair=repair,
                collections=collection or (),
                forms=forms,
                progress=progress,
            )
    _show(report, as_json=as_json, repair=repair)
    return 0 if report.sound else DAMAGED


def _show(report: Report, *, as_json: bool, repair: bool) -> None:
    if as_json:
        findings = [asdict(one) for one in report.findings]
        output.data({"sound": report.sound, "checked": report.checked, "findings": findings})
        return
    for one in report.findings:
        kind = "repaired" if one.repaired else "damaged" if one.damage else "note"
        how = f" [{one.repaired}]" if one.repaired else ""
        output.line(f"{kind}: {one.where}: {one.what}{how}")
    for text in report.checked:
        output.line(f"looked through {text}")
    if report.sound:
        output.line("sound")
    elif not repair:
        output.line("damaged; --repair mends what can be mended")
