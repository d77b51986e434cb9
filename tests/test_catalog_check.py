"""``scenesearch catalog check``: what a file is, what its columns become, all that is wrong."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import shop_feeds

from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.catalog.check import Check, check_catalog
from scenesearch.cli.main import main
from scenesearch.core.errors import CatalogError

FEEDS = shop_feeds.feeds("https://photos.shop.test")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments)])
        capsys.readouterr()
        return (main(), *capsys.readouterr())

    return run


def checked(path: Path, **options: object) -> Check:
    return check_catalog(read_catalog(path, feed=FeedOptions(fetch=True, **options)))


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.file)
def test_every_column_of_a_feed_is_accounted_for(feed: shop_feeds.Feed, tmp_path: Path) -> None:
    path = tmp_path / feed.file
    path.write_bytes(feed.data)
    found = checked(path)
    fields = {use.field for use in found.columns}

    assert found.items == 20
    assert found.addresses == found.photos == 33
    assert {"id", "image", "title", "price"} <= fields
    assert found.sample is not None
    assert set(found.sample.attributes) <= fields | {"options", "attributes", "currency"}
    json.dumps(asdict(found))


def test_thousands_of_faults_of_one_kind_are_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    rows = [f"{n},https://a.test/{n}.jpg,cheap,Größe {n},{n % 3}" for n in range(2000)]
    rows[7] = "7,,1,x,2"
    rows[9] = "9,https://a.test/9.jpg,1.299,x,oops"
    path.write_text("id,image,Price (EUR),Size?,rating\n" + "\n".join(rows) + "\n")
    found = check_catalog(
        read_catalog(
            path,
            columns={"price": "Price (EUR)"},
            feed=FeedOptions(fetch=True, types={"rating": "integer"}),
        )
    )

    assert [(p.column, p.code, p.count, p.costs, p.fix) for p in found.problems] == [
        ("image", "missing_image", 1, "rows", ""),
        ("price", "bad_price", 1998, "cells", "--ignore-column 'Price (EUR)'"),
        ("price", "ambiguous_price", 1, "cells", "--price-locale LOCALE"),
        ("rating", "wrong_type", 1, "cells", "--type rating=keyword"),
    ]
    assert found.rows == 2000
    assert found.items == 1999


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        ("1.299", {"price_locale": "de"}),
        ("1.299", {"price_locale": "en"}),
        ("cheap", {"ignore_columns": ("price",)}),
    ],
)
def test_the_option_that_is_named_mends_it(
    problem: str, options: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "feed.csv"
    path.write_text(f"id,image,price\n1,https://a.test/1.jpg,{problem}\n")

    assert len(checked(path).problems) == 1
    assert checked(path, **options).problems == ()


def test_the_command_says_it_in_words_and_as_json(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "woo.csv"
    feed = next(one for one in FEEDS if one.file == "woo.csv")
    path.write_bytes(feed.data.replace(b"29,50", b"cheap"))
    code, said, _ = cli("catalog", "check", path)
    again, text, _ = cli("catalog", "check", path, "--json")
    data = json.loads(text)

    assert code == again == 3
    assert "taken for a WooCommerce export: 20 rows, 20 items, 33 photos" in said
    assert "index with --fetch" in said
    assert "Regulärer Preis                      price (float)" in said
    assert "    --ignore-column Angebotspreis" in said
    assert data["sample"]["attributes"]["title"] == "Chair No. 0"
    assert {p["code"] for p in data["problems"]} == {"bad_price"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--feed", "nothing"), "expected plain"),
        (("--type", "rating=number"), "expected one of keyword, text, integer, float, bool"),
        (("--price-locale", "the usual"), "such as en, de"),
    ],
)
def test_a_wrong_option_is_said(
    cli: Run, arguments: tuple[str, str], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("id,image\n1,https://a.test/1.jpg\n")
    code, _, err = cli("catalog", "check", path, *arguments)

    assert code == 2
    assert said in err


GERMAN = (
    "Artikelnummer;Bezeichnung;Preis;Bild\n"
    "4711;Stuhl Anna;129,00 €;stuhl.jpg\n0815;Lampe Tor;59,90 €;lampe.jpg\n"
)


def test_a_table_in_another_language_is_told_what_to_say(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "lager.csv"
    path.write_text(GERMAN)
    code, _, err = cli("catalog", "check", path)
    said = "--column id=Artikelnummer --column image=Bild"

    assert code == 2
    assert said in err

    (tmp_path / "bilder").mkdir()
    for name in ("stuhl.jpg", "lampe.jpg"):
        (tmp_path / "bilder" / name).touch()
    code, out, err = cli("catalog", "check", path, *shlex.split(said))

    assert code == 3
    assert f"there is one in '{tmp_path / 'bilder'}'" in out
    assert "--image-root FOLDER" in out
    assert "if it is the price: --column price=Preis" in err

    mended = (*shlex.split(said), "--column", "price=Preis", "--image-root", tmp_path / "bilder")
    code, out, err = cli("catalog", "check", path, *mended)

    assert (code, "price: 129.0" in out) == (0, True)
    assert "the price" not in err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("sku_nr,Foto Nr 1\nA-1,https://s.test/1.jpg?v=2\nA-2,https://s.test/2.png\n",
         "--column id=sku_nr --column image='Foto Nr 1'"),
        ("a,b\nx,1.jpg\nx,2.jpg\n", "--column image=b"),
        ("a,b\nred,tall\nred,tall\n", ""),
        ("name,bild\nOak chair,1.jpg\nAsh chair,2.jpg\n", "--column image=bild"),
    ],
    ids=["addresses", "no ids", "nothing", "words are no ids"],
)  # fmt: skip
def test_ids_and_photos_are_guessed_by_their_cells_and_never_taken(
    rows: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text(rows)
    with pytest.raises(CatalogError) as caught:
        read_catalog(path)

    told = str(caught.value).partition("; by its cells ")[2]
    assert told.partition(": ")[2].partition(" (columns=")[0] == said
