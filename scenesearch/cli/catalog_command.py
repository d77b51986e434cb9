"""``scenesearch catalog check``."""

from __future__ import annotations

from array import array
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

if TYPE_CHECKING:
    from scenesearch.catalog.check import Check

catalog = typer.Typer(help="Look at a catalogue before it is indexed.", no_args_is_help=True)
app.add_typer(catalog, name="catalog")


@catalog.command()
def check(
    file: options.CatalogSource,
    image_root: options.ImageRoot = None,
    on_duplicate: options.OnDuplicateRow = "error",
    column: options.Column = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    config: options.Config = None,
    feed: options.Feed = None,
    ignore_column: options.IgnoreColumn = None,
    types: options.Type = None,
    price_locale: options.PriceLocale = None,
    vectors: options.Vectors = None,
    as_json: options.Json = False,
) -> int:
    """Say what a file is taken for, what its columns become, and all that is wrong with it."""
    from scenesearch.catalog import read_catalog
    from scenesearch.catalog.check import check_catalog
    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import catalog_file

    # addresses are taken, so that one look tells everything; that they need --fetch is said
    read_as = options.feed_options(feed, ignore_column, types, price_locale, vectors, fetch=True)
    with (
        output.progress() as progress,
        catalog_file(load_settings(config), file, None, progress) as opened,
    ):
        found = check_catalog(
            read_catalog(
                opened.path,
                image_root=image_root,
                columns={k: str(v) for k, v in options.assignments(column or ()).items()},
                on_duplicate=options.on_duplicate_row(on_duplicate),
                encoding=encoding,
                delimiter=delimiter,
                feed=read_as,
                site=opened.site,
                doubt=opened.doubt,
            )
        )
    if as_json:
        output.data(_plain(found))
    else:
        _print(found)
    return 3 if found.problems else 0


def _print(found: Check) -> None:
    output.line(
        f"taken for {found.taken_for}: {found.rows:,} rows, {found.items:,} items, "
        f"{found.photos:,} photos"
    )
    if found.addresses:
        output.line(f"{found.addresses:,} photos are web addresses: index with --fetch")
    output.line("\ncolumns")
    wide = min(40, max((len(one.header) for one in found.columns), default=0))
    for one in found.columns:
        became = f"{one.field} ({one.type})" if one.type else one.field or "left out"
        output.line(f"  {one.header or '(made)':<{wide}}  {became}")
    if found.sample is not None:
        output.line("\nan item, as it will be stored")
        for name, value in _sample(found).items():
            output.line(f"  {name}: {value}")
    output.line(f"\nproblems: {len(found.problems) or 'none'}")
    for problem in found.problems:
        rows = ", ".join(str(row) for row in problem.rows)
        more = ", ..." if problem.count > len(problem.rows) else ""
        what = problem.costs[:-1] if problem.count == 1 else problem.costs
        where = problem.column or "whole rows"
        output.line(f"  {where}: {problem.count:,} {what} left out (row {rows}{more})")
        output.line(f"    {problem.message}")
        output.line(f"    {problem.fix or 'correct the file'}")
    output.remarks(found.notes)


def _plain(found: Check) -> dict[str, Any]:
    item = found.sample
    if item is None or item.vectors is None:
        return asdict(found)
    vectors = {k: list(array("f", v)) for k, v in item.vectors.items()}
    return {**asdict(found), "sample": {**asdict(item), "vectors": vectors}}


def _sample(found: Check) -> dict[str, Any]:
    item = found.sample
    if item is None:
        return {}
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in item.attributes.items()}
    vectors = {k: f"{len(v) // 4:,} numbers" for k, v in (item.vectors or {}).items()}
    shown = {"id": item.id, "photos": list(item.photos), **values, **vectors}
    return {
        k: f"{v[:200]}..." if isinstance(v, str) and len(v) > 200 else v for k, v in shown.items()
    }
