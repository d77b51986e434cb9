"""Plain words to what they ask for."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scenesearch.attributes.names import VOCABULARY, written_names
from scenesearch.config.search import WordWeights
from scenesearch.core.conditions import AllOf, Between, Equals, Not, OneOf
from scenesearch.core.errors import QueryError
from scenesearch.words import MAX_LENGTH, ParsedWords, Vocabulary, parse_words
from scenesearch.words.money import amount, find_price
from scenesearch.words.stems import one_edit, stem

SHOP = Vocabulary(
    {
        "shoes": 90,
        "running shoes": 20,
        "wardrobe": 40,
        "wardrobe with 2 doors": 5,
        "table": 30,
        "coffee table": 25,
        "dining table": 20,
        "Bedside Table": 10,
        "table lamp": 15,
        "floor lamp": 9,
        "rug, flatwoven": 12,
        "rug": 8,
        "box with lid": 7,
        "bookcase": 6,
        "wall shelf": 6,
        "shorts": 5,
        "T-shirt": 5,
        "hoodie": 5,
        "Home > Kitchen > Wine glasses": 4,
        "three-seat sofa": 4,
        "chair": 4,
        "chair, outdoor": 3,
        "стол": 2,
        "throw": 2,
    }
)
FIELDS: Any = {"price": "float", "in_stock": "bool", "category": "keyword", "title": "text"}


def parse(text: str, **more: Any) -> ParsedWords:
    return parse_words(text, SHOP, FIELDS, **more)


def price(**bounds: float) -> Between:
    return Between("price", **bounds)


# what is typed, and everything that differs from nothing understood at all
TABLE: list[tuple[str, dict[str, Any]]] = [
    # colour and category
    ("red shoes", {"colours": ("red",), "categories": ("shoes",)}),
    ("Red SHOE", {"colours": ("red",), "categories": ("shoes",)}),
    ("shoes, red", {"colours": ("red",), "categories": ("shoes",)}),
    ("shoes in red", {"colours": ("red",), "categories": ("shoes",)}),
    ("red-coloured shoes", {"colours": ("red",), "categories": ("shoes",)}),
    (
        "shoes of the colour red",
        {"colours": ("red",), "categories": ("shoes",), "remaining": "colour"},
    ),
    (
        "large white wardrobe",
        {"colours": ("white",), "categories": ("wardrobe",), "remaining": "large"},
    ),
    ("black and white rug", {"colours": ("black", "white"), "categories": ("rug",)}),
    ("black-brown bookcase", {"colours": ("black", "brown"), "categories": ("bookcase",)}),
    ("gray chair", {"colours": ("grey",), "categories": ("chair",)}),
    ("light gray chair", {"colours": ("light grey",), "categories": ("chair",)}),
    ("off-white chair", {"colours": ("cream",), "categories": ("chair",)}),
    ("off white chair", {"colours": ("cream",), "categories": ("chair",)}),
    ("dark-blue chair", {"colours": ("navy",), "categories": ("chair",)}),
    ("navy blue chair", {"colours": ("navy",), "categories": ("chair",)}),
    ("pale blue chair", {"colours": ("light blue",), "categories": ("chair",)}),
    ("bright red chair", {"colours": ("red",), "categories": ("chair",)}),
    ("deep green chair", {"colours": ("dark green",), "categories": ("chair",)}),
    ("reddish chair", {"colours": ("red",), "categories": ("chair",)}),
    ("red red chair", {"colours": ("red",), "categories": ("chair",)}),
    ("olive oil", {"colours": ("olive",), "remaining": "olive oil"}),
    ("wine glass", {"categories": ("Home > Kitchen > Wine glasses",)}),
    ("wine rack", {"remaining": "wine rack"}),
    # categories
    ("coffee table", {"categories": ("coffee table",)}),
    ("coffee tables", {"categories": ("coffee table",)}),
    ("table coffee", {"categories": ("coffee table",)}),
    ("bedside table", {"categories": ("Bedside Table",)}),
    ("lamp", {"categories": ("table lamp", "floor lamp")}),
    ("table lamp", {"categories": ("table lamp",)}),
    ("flatwoven rug", {"categories": ("rug, flatwoven",)}),
    ("rug, flatwoven", {"categories": ("rug, flatwoven",)}),
    ("box with a lid", {"categories": ("box with lid",)}),
    ("boxes with lids", {"categories": ("box with lid",)}),
    ("book case", {"categories": ("bookcase",)}),
    ("wall shelves", {"categories": ("wall shelf",)}),
    ("shelves", {"categories": ("wall shelf",)}),
    ("short dress", {"remaining": "short dress"}),
    ("shorts", {"categories": ("shorts",)}),
    ("t-shirt", {"categories": ("T-shirt",)}),
    ("hoodies", {"categories": ("hoodie",)}),
    ("three seat sofas", {"categories": ("three-seat sofa",)}),
    ("стол белый", {"categories": ("стол",), "remaining": "белый"}),
    ("coffee, table lamp", {"categories": ("table lamp",), "remaining": "coffee"}),
    ("chair and bookcase", {"categories": ("chair", "bookcase")}),
    ("wardobe", {"categories": ("wardrobe",)}),
    ("chiar", {"categories": ("chair",)}),
    ("stable", {"remaining": "stable"}),
    ("rugg", {"remaining": "rugg"}),
    # prices
    (
        "red shoes under $50",
        {"colours": ("red",), "categories": ("shoes",), "price": price(lt=50), "currency": "USD"},
    ),
    ("shoes below 50 eur", {"categories": ("shoes",), "price": price(lt=50), "currency": "EUR"}),
    ("shoes less than 50", {"categories": ("shoes",), "price": price(lt=50)}),
    (
        "shoes cheaper than £49.99",
        {"categories": ("shoes",), "price": price(lt=49.99), "currency": "GBP"},
    ),
    ("shoes <50", {"categories": ("shoes",), "price": price(lt=50)}),
    ("shoes at most 50", {"categories": ("shoes",), "price": price(lte=50)}),
    ("shoes up to 50€", {"categories": ("shoes",), "price": price(lte=50), "currency": "EUR"}),
    ("shoes max 50", {"categories": ("shoes",), "price": price(lte=50)}),
    ("shoes not over 50", {"categories": ("shoes",), "price": price(lte=50)}),
    (
        "shoes no more than 50 dollars",
        {"categories": ("shoes",), "price": price(lte=50), "currency": "USD"},
    ),
    (
        "shoes 50 euros or less",
        {"categories": ("shoes",), "price": price(lte=50), "currency": "EUR"},
    ),
    ("shoes over 100", {"categories": ("shoes",), "price": price(gt=100)}),
    (
        "shoes more than $1,299.50",
        {"categories": ("shoes",), "price": price(gt=1299.5), "currency": "USD"},
    ),
    ("shoes at least 100", {"categories": ("shoes",), "price": price(gte=100)}),
    ("shoes not under 100", {"categories": ("shoes",), "price": price(gte=100)}),
    ("shoes from $20", {"categories": ("shoes",), "price": price(gte=20), "currency": "USD"}),
    ("shoes $100+", {"categories": ("shoes",), "price": price(gte=100), "currency": "USD"}),
    (
        "shoes 100 usd and up",
        {"categories": ("shoes",), "price": price(gte=100), "currency": "USD"},
    ),
    ("shoes from 20 to 40", {"categories": ("shoes",), "price": price(gte=20, lte=40)}),
    ("shoes between 20 and 40", {"categories": ("shoes",), "price": price(gte=20, lte=40)}),
    ("shoes between 40 and 20", {"categories": ("shoes",), "price": price(gte=20, lte=40)}),
    (
        "shoes $20-$40",
        {"categories": ("shoes",), "price": price(gte=20, lte=40), "currency": "USD"},
    ),
    (
        "shoes 20–40 eur",
        {"categories": ("shoes",), "price": price(gte=20, lte=40), "currency": "EUR"},
    ),
    ("shoes price 20-40", {"categories": ("shoes",), "price": price(gte=20, lte=40)}),
    ("shoes over 20 under 50", {"categories": ("shoes",), "price": price(gt=20, lt=50)}),
    ("shoes under 1.5k", {"categories": ("shoes",), "price": price(lt=1500)}),
    (
        "shoes around $50",
        {"categories": ("shoes",), "price": price(gte=40, lte=60), "currency": "USD"},
    ),
    (
        "shoes for 50 eur",
        {"categories": ("shoes",), "price": price(gte=40, lte=60), "currency": "EUR"},
    ),
    ("under 50 red shoes", {"colours": ("red",), "categories": ("shoes",), "price": price(lt=50)}),
    ("under $50", {"price": price(lt=50), "currency": "USD"}),
    # numbers that are no prices
    ("cheap shoes", {"categories": ("shoes",), "remaining": "cheap"}),
    ("shoes 20-40", {"categories": ("shoes",), "remaining": "20-40"}),
    ("shoes size 42", {"categories": ("shoes",), "remaining": "size 42"}),
    ("table under 80 cm", {"categories": ("table",), "remaining": "under 80 cm"}),
    ("table over 80cm", {"categories": ("table",), "remaining": "over 80cm"}),
    ("table between 80 and 120 cm", {"categories": ("table",), "remaining": "between 80 120 cm"}),
    (
        "wardrobe with at least 2 mirrors under 5 kg",
        {"categories": ("wardrobe",), "remaining": "at least 2 mirrors under 5 kg"},
    ),
    ("more than 3 drawers", {"remaining": "more than 3 drawers"}),
    ("lamp from 1960", {"categories": ("table lamp", "floor lamp"), "remaining": "1960"}),
    # stock
    ("chair in stock", {"categories": ("chair",), "in_stock": True}),
    ("available in-stock chair", {"categories": ("chair",), "in_stock": True}),
    ("chair out of stock", {"categories": ("chair",), "in_stock": False}),
    (
        "chair available in red",
        {"categories": ("chair",), "colours": ("red",), "remaining": "available"},
    ),
    # what is not wanted
    ("blue rug not wool", {"colours": ("blue",), "categories": ("rug",), "not_words": ("wool",)}),
    ("rug not made of wool", {"categories": ("rug",), "not_words": ("wool",)}),
    ("rug -wool", {"categories": ("rug",), "not_words": ("wool",)}),
    ("chair not red", {"categories": ("chair",), "not_colours": ("red",)}),
    ("not red chair", {"categories": ("chair",), "not_colours": ("red",)}),
    ("chair not red or blue", {"categories": ("chair",), "not_colours": ("red", "blue")}),
    ("wardrobe without doors", {"categories": ("wardrobe",), "not_words": ("doors",)}),
    ("table no coffee table", {"categories": ("table",), "not_categories": ("coffee table",)}),
    ("non-slip rug", {"categories": ("rug",), "remaining": "non-slip"}),
    ("white chair not white", {"categories": ("chair",), "not_colours": ("white",)}),
    ("rug not", {"categories": ("rug",), "remaining": ""}),
    # the rest
    ("", {}),
    ("   ", {}),
    ("show me a chair, please", {"categories": ("chair",)}),
    ("I'm looking for the one", {"remaining": "i'm"}),
    ("KALLAX 4x4", {"remaining": "kallax 4x4"}),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[text or "empty" for text, _ in TABLE])
def test_a_text_is_understood_as_people_mean_it(text: str, expected: dict[str, Any]) -> None:
    parsed = parse(text)

    # kinds, what is near and notes have tests of their own
    assert replace(parsed, kinds=(), near=(), fits={}, notes=()) == ParsedWords(text, **expected)


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len({text for text, _ in TABLE}) == len(TABLE) >= 60


def test_a_word_for_many_things_names_its_kinds_beside_it() -> None:
    parsed = parse("table")

    assert parsed.categories == ("table",)
    assert parsed.kinds == ("coffee table", "dining table", "Bedside Table")


def test_a_category_that_is_not_wanted_is_no_kind_either() -> None:
    parsed = parse("table not coffee table or dining table")

    assert parsed.not_categories == ("coffee table", "dining table")
    assert parsed.kinds == ("Bedside Table",)


def test_a_slip_is_noted() -> None:
    assert parse("wardobe").notes == ("'wardobe' is read as 'wardrobe'",)


def test_a_price_that_was_only_named_is_noted() -> None:
    assert parse("shoes $50").notes == ("'$50' is read as about that, 20% up or down",)


@pytest.mark.parametrize("kind", [None, "keyword", "text"], ids=str)
def test_a_price_of_a_catalogue_without_prices_is_left_out_and_noted(kind: Any) -> None:
    parsed = parse_words("red shoes under $50", SHOP, {"price": kind} if kind else {})

    assert parsed.price is None
    assert parsed.remaining == ""
    assert parsed.notes == ("the catalogue has no field 'price', so 'under $50' is left out",)


def test_stock_stays_text_where_the_catalogue_has_none() -> None:
    assert parse_words("chair in stock", SHOP, {}).remaining == "stock"


def test_without_categories_the_words_stay_text() -> None:
    assert parse_words("red shoes", Vocabulary(), {}).remaining == "shoes"


# --- what follows from it ----------------------------------------------------------------------


def test_price_and_stock_are_a_filter_and_categories_only_when_strict() -> None:
    text = "shoes under 50 in stock not running shoes"
    bounds, stock = price(lt=50), Equals("in_stock", value=True)

    assert parse("shoes").where is None
    assert parse("shoes under 50").where == bounds
    assert parse(text).where == AllOf((bounds, stock))
    assert parse(text, strict_category=True).where == AllOf(
        (bounds, stock, OneOf("category", ("shoes",)), Not(OneOf("category", ("running shoes",))))
    )


def test_a_strict_category_holds_its_kinds_too() -> None:
    where = parse("rug", strict_category=True).where

    assert where == OneOf("category", ("rug", "rug, flatwoven"))


def test_a_correction_changes_what_follows() -> None:
    corrected = replace(parse("red table under 50"), price=None, categories=("chair",), kinds=())

    assert corrected.where is None
    assert corrected.lexical == "chair chairs"
    assert corrected.understood == ("colour red", "category chair")


@pytest.mark.parametrize(
    ("text", "lexical", "free"),
    [
        ("red coffee table", "coffee coffees table tables", ""),
        (
            "lamp with handles",
            "table tables lamp lamps floor floors handles handle",
            "handles handle",
        ),
        ("red under $50", "", ""),
        ("box with lid", "box boxes", ""),
    ],
    ids=["category", "two kinds and a word", "nothing", "no glue"],
)
def test_items_are_found_by_categories_and_words_in_both_numbers(
    text: str, lexical: str, free: str
) -> None:
    assert parse(text).lexical == lexical
    assert parse(text).free == free


def test_many_kinds_are_found_by_what_they_share() -> None:
    vocabulary = Vocabulary(dict.fromkeys(("a lamp", "table lamp", "floor lamp", "lamps, big"), 1))

    assert parse_words("lamp", vocabulary, {}).lexical in ("lamp lamps", "lamps lamp")


def test_what_was_understood_is_one_short_text_for_each_part() -> None:
    parsed = parse("large blue rug not wool or red under 50 eur in stock -throw")

    assert parsed.understood == (
        "colour blue",
        "not red",
        "category rug",
        "not category throw",
        "price < 50 EUR",
        "in stock",
        "words: large",
        "without wool",
    )


def test_a_long_list_of_categories_is_shown_in_part() -> None:
    parsed = ParsedWords("x", categories=tuple("abcdefgh"))

    assert parsed.understood == ("category a, b, c, d, e and 3 more",)


def test_the_parse_as_json_has_everything() -> None:
    data = parse("red shoes between 20 and 40 eur").to_dict()

    assert data["colours"] == ["red"]
    assert data["categories"] == ["shoes"]
    assert data["price"] == {"gte": 20.0, "lte": 40.0}
    assert data["currency"] == "EUR"
    assert data["remaining"] == ""
    assert {"notes", "not_words", "text", "understood"} <= set(data)
    assert parse("red").to_dict()["price"] is None


# --- whatever is typed -------------------------------------------------------------------------


@given(st.text(max_size=120))
@example("\ud800 red")
@example("$" * 50)
@example("- -- --- not not not or or")
@example("1.2.3.4.5 to 6,7,8 eur")
@example("\x00under\x00 50")
@example("²³ ½ under ٥٠ eur")
@example("İstanbul ß")
def test_no_text_is_an_error(text: str) -> None:
    parsed = parse(text)

    assert parsed.text == text
    assert set(parsed.colours) <= {colour.name for colour in VOCABULARY}
    assert set(parsed.categories) <= set(SHOP.categories)
    assert isinstance(parsed.understood, tuple)
    assert parsed.to_dict()["text"] == text
    assert "\ud800" not in parsed.remaining


_WORDS = ("red", "not", "under", "$50", "between 20 and 40", "table", "coffee", "or", "in stock")


@given(st.lists(st.sampled_from((*_WORDS, ",", "-", "large", "rug", "wool")), max_size=12))
def test_what_is_wanted_and_what_is_not_never_overlap(words: list[str]) -> None:
    parsed = parse(" ".join(words))

    assert not set(parsed.colours) & set(parsed.not_colours)
    assert not {*parsed.categories, *parsed.kinds} & set(parsed.not_categories)
    assert parse(" ".join(words)) == parsed


def test_a_text_longer_than_a_query_is_refused() -> None:
    assert parse("a" * MAX_LENGTH).remaining == "a" * MAX_LENGTH
    with pytest.raises(QueryError, match=f"{MAX_LENGTH + 1} characters.*at most {MAX_LENGTH}"):
        parse("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize("written", sorted(written_names()))
def test_every_way_to_write_a_colour_is_understood(written: str) -> None:
    if written == "wine":  # more often a glass, a rack or a cooler
        return
    assert parse(f"{written} chair").colours == (written_names()[written],)


@pytest.mark.e2e
def test_every_category_of_a_real_catalogue_names_itself(shared_data: Any) -> None:
    with (shared_data / "ikea" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        values = [row["category"] for row in csv.DictReader(file)]
    vocabulary = Vocabulary({value: values.count(value) for value in set(values)})

    lost = [
        value
        for value in vocabulary.categories
        if value not in parse_words(value, vocabulary, FIELDS).categories
    ]

    assert len(vocabulary.categories) > 600
    assert lost == []


# --- pieces ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("50", 50.0), ("49,99", 49.99), ("49.9", 49.9), ("1,000", 1000.0), ("1.000", 1000.0)),
        *(("1,299.50", 1299.5), ("1.299,50", 1299.5), ("1,000,000", 1e6), ("0.500", 0.5)),
    ],
)
def test_numbers_are_read_with_either_mark(written: str, value: float) -> None:
    assert amount(written) == value


@given(st.integers(1, 10**6), st.sampled_from(("under", "over", "at most", "at least")))
def test_every_whole_price_is_read_back(number: int, word: str) -> None:
    found = find_price(f"shoes {word} {number} eur").price

    assert found is not None
    assert number in (found.lt, found.lte, found.gt, found.gte)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        *(("shoes", "shoe"), ("boxes", "box"), ("benches", "bench"), ("knives", "knife")),
        *(("bookshelves", "bookshelf"), ("vases", "vase"), ("women", "woman"), ("ties", "tie")),
        *(("dresses", "dress"), ("curtains", "curtain"), ("olives", "olive"), ("gloves", "glove")),
        *(("women's", "woman"), ("womens", "woman"), ("children's", "child")),
        *(("cookies", "cookie"), ("lobbies", "lobby"), ("glass", "glass"), ("bus", "bus")),
    ],
)
def test_singular_and_plural_have_one_stem(plural: str, singular: str) -> None:
    assert stem(plural) == stem(singular)


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("wardrobe", "wardobe", True),
        ("chair", "chiar", True),
        ("chair", "chairr", True),
        ("chair", "cheir", True),
        ("chair", "chair", False),
        ("table", "stable", False),
        ("table", "cable", False),
        ("lamp", "limps", False),
        ("", "a", False),
    ],
)
def test_one_slip_makes_a_near_word(one: str, other: str, near: bool) -> None:
    assert one_edit(one, other) is near
    assert one_edit(other, one) is near


@pytest.mark.parametrize("value", [-1, 101, float("nan"), float("inf"), "1"], ids=str)
def test_a_weight_out_of_range_is_refused(value: Any) -> None:
    with pytest.raises(QueryError, match=r"word_weights\.colour.*0 to 100"):
        WordWeights(colour=value)


# --- what words mean, where they are not just the name of a category ------------------------------

CHAIRS = Vocabulary({"chair": 30, "desk chair": 5, "desk": 20, "dining table": 9, "mirror": 9})
PILLOWS = Vocabulary({"throw": 20, "cushion": 20, "glass": 20, "table lamp": 20, "desk": 20})


def test_the_kinds_of_a_compound_are_graded_by_the_whole_of_it():
    parsed = parse_words("office chair", CHAIRS, {})

    assert parsed.categories == ("chair",)
    assert parsed.kinds == ("desk chair",)
    assert set(parsed.fits) == {"chair", "desk chair"}
    assert parsed.fits["desk chair"] > parsed.fits["chair"] - 0.05


def test_the_name_itself_has_no_grade():
    assert parse_words("chair", CHAIRS, {}).fits == {}


@pytest.mark.parametrize(
    ("text", "first"), [("throw pillow", "cushion"), ("grey throw pillows", "cushion")]
)
def test_what_a_dictionary_has_as_one_is_not_taken_apart(text, first):
    parsed = parse_words(text, PILLOWS, {})

    assert parsed.categories[0] == first
    assert "throw" not in parsed.categories
    assert max(parsed.fits, key=parsed.fits.__getitem__) == first


@pytest.mark.parametrize("text", ["spaceship", "red spaceship", "qwertyuiop"])
def test_words_of_which_the_catalogue_has_nothing_mean_no_category(text):
    parsed = parse_words(text, CHAIRS, {})

    assert parsed.categories == parsed.near == ()
    assert parsed.fits == {}
