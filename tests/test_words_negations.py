"""Words that say what is not wanted are not read as what is: tables made by rule."""

from __future__ import annotations

import itertools

import pytest

from scenesearch.core.types import FieldType
from scenesearch.words import ParsedWords, Vocabulary, parse_words

CATEGORIES = ("rug", "shirt", "sofa", "chair", "table", "lamp", "cushion", "carpet", "bed")
VOCABULARY = Vocabulary(dict.fromkeys(CATEGORIES, 30))
FIELDS: dict[str, FieldType] = {"price": "float", "in_stock": "bool"}
NEGATORS = (
    *("not", "no", "without", "w/o", "except", "excluding", "minus", "other than", "apart from"),
    *("aside from", "besides", "instead of", "everything but", "anything but", "all but"),
    *("anything except", "free of", "lacking", "sans"),
)
COMPOUNDS = ("slip", "skid", "stick", "iron", "toxic", "woven", "scratch", "drill", "sew", "touch")
UNITS = (
    *("centimeters", "centimetres", "millimeters", "meters", "metres", "cm", "inches", "feet"),
    *("kilograms", "grams", "kg", "watts", "lumens", "litres", "kelvin", "seats", "hours"),
)


def parse(text: str) -> ParsedWords:
    return parse_words(text, VOCABULARY, FIELDS)


@pytest.mark.parametrize("negator", NEGATORS)
def test_a_colour_is_not_wanted(negator: str) -> None:
    parsed = parse(f"chair {negator} red")
    assert (parsed.categories, parsed.colours, parsed.not_colours) == (("chair",), (), ("red",))
    assert not parsed.remaining


@pytest.mark.parametrize("negator", NEGATORS)
def test_a_category_is_not_wanted(negator: str) -> None:
    parsed = parse(f"{negator} lamps")
    assert (parsed.categories, parsed.not_categories) == ((), ("lamp",))
    assert not parsed.remaining


@pytest.mark.parametrize("negator", NEGATORS)
def test_a_word_is_not_wanted(negator: str) -> None:
    parsed = parse(f"sofa {negator} leather")
    assert (parsed.categories, parsed.not_words) == (("sofa",), ("leather",))
    assert not parsed.remaining


@pytest.mark.parametrize(
    ("thing", "join"), list(itertools.product(("leather", "plastic", "lead", "sugar"), (" ", "-")))
)
def test_free_of_something_is_without_it(thing: str, join: str) -> None:
    parsed = parse(f"{thing}{join}free chair")
    assert (parsed.categories, parsed.not_words, parsed.remaining) == (("chair",), (thing,), "")


@pytest.mark.parametrize("word", ["free standing", "free-standing", "hands free", "tax-free"])
def test_what_is_free_in_another_way_stays_words(word: str) -> None:
    parsed = parse(f"{word} lamp")
    assert (parsed.categories, parsed.not_words) == (("lamp",), ())


@pytest.mark.parametrize(("no", "what"), list(itertools.product(("no", "non"), COMPOUNDS)))
def test_what_a_thing_is_is_no_negation(no: str, what: str) -> None:
    for join in " -":
        parsed = parse(f"{no}{join}{what} rug")
        assert parsed.categories == ("rug",)
        assert parsed.remaining == f"{no}-{what}"
        assert not parsed.not_words
        assert not parsed.not_categories


@pytest.mark.parametrize("place", ["{} chair", "chair {}"])
@pytest.mark.parametrize("pair", list(itertools.permutations(("red", "blue", "white"), 2)))
def test_neither_of_two(place: str, pair: tuple[str, str]) -> None:
    parsed = parse(place.format("neither {} nor {}".format(*pair)))
    assert (parsed.categories, parsed.colours, parsed.not_colours) == (("chair",), (), pair)
    assert not parsed.remaining


@pytest.mark.parametrize("negator", ["without", "no", "excluding", "w/o"])
@pytest.mark.parametrize(
    ("listed", "words", "categories"),
    [
        ("cushions and arms", ("arms",), ("cushion",)),
        ("arms and cushions", ("arms",), ("cushion",)),
        ("plastic and metal", ("plastic", "metal"), ()),
        ("plastic or metal", ("plastic", "metal"), ()),
        ("chaise longue", ("chaise", "longue"), ()),
    ],
)
def test_all_of_a_list_is_not_wanted(
    negator: str, listed: str, words: tuple[str, ...], categories: tuple[str, ...]
) -> None:
    parsed = parse(f"sofa {negator} {listed}")
    assert (parsed.categories, parsed.not_words) == (("sofa",), words)
    assert parsed.not_categories == categories
    assert not parsed.remaining


@pytest.mark.parametrize(
    ("text", "colours", "not_colours", "not_words"),
    [
        ("chair not blue, green", ("green",), ("blue",), ()),
        ("chair not blue but green", ("green",), ("blue",), ()),
        ("rather red than blue chair", ("red",), ("blue",), ()),
        ("chair without arms and red", ("red",), (), ("arms",)),
        ("chair without arms in black", ("black",), (), ("arms",)),
        ("chair with no arms, white", ("white",), (), ("arms",)),
        ("chair that is not red and not blue", (), ("red", "blue"), ()),
        ("chair not red or blue", (), ("red", "blue"), ()),
        ("chair not", (), (), ()),
        ("chair without", (), (), ()),
    ],
)
def test_a_negation_ends(
    text: str, colours: tuple[str, ...], not_colours: tuple[str, ...], not_words: tuple[str, ...]
) -> None:
    parsed = parse(text)
    assert parsed.categories == ("chair",)
    assert (parsed.colours, parsed.not_colours, parsed.not_words) == (
        colours,
        not_colours,
        not_words,
    )
    assert not parsed.remaining


@pytest.mark.parametrize(
    ("bound", "unit"), list(itertools.product(("under", "over", "at most"), UNITS))
)
def test_a_measure_is_no_price(bound: str, unit: str) -> None:
    parsed = parse(f"wide table {bound} 200 {unit}")
    assert (parsed.categories, parsed.price) == (("table",), None)


@pytest.mark.parametrize(
    "text",
    [
        "under $50 or over $100",
        "over 100 or under 50",
        "below €20 or more than €300",
        "< $5 or > $9",
    ],
)
def test_two_ranges_are_not_read_as_one(text: str) -> None:
    parsed = parse(f"chair {text}")
    assert parsed.price is None
    assert "two ranges" in parsed.notes[0]
    assert (parsed.categories, parsed.remaining) == (("chair",), "")


def test_one_range_with_an_or_is_a_bound() -> None:
    less, more = parse("chair $50 or less").price, parse("chair 50 or more").price
    assert less is not None
    assert more is not None
    assert (less.lte, more.gte) == (50, 50)


@pytest.mark.parametrize(
    "text",
    [
        "non-white chair",
        "chair that isn't white",
        "chairs that aren't white",
        "chairs that arent white",
        "chair, nothing in white",
        "chair any colour but white",
        "chairs in every color except white",
        "chair, don't want white",
        "chairs, i don’t like white",
    ],
)
def test_a_colour_is_refused_as_people_say_it(text: str) -> None:
    parsed = parse(text)
    assert (parsed.categories, parsed.colours, parsed.not_colours) == (("chair",), (), ("white",))
    assert not parsed.remaining


@pytest.mark.parametrize("thing", ["a back", "any arms", "an armrest"])
def test_articles_are_not_refused(thing: str) -> None:
    for text in (f"chair without {thing} or wheels", f"chair that doesn't have {thing} or wheels"):
        assert parse(text).not_words == (thing.rsplit(maxsplit=1)[-1], "wheels")


@pytest.mark.parametrize("many", ["set of 4", "sets of 2", "pair of", "pack of 6"])
def test_how_many_is_no_thing(many: str) -> None:
    shop = Vocabulary({**dict.fromkeys(CATEGORIES, 30), "cord set": 4, "box, set of 3": 3})
    parsed = parse_words(f"{many} chairs", shop, FIELDS)
    assert parsed.categories == ("chair",)
    assert not parsed.remaining
    assert parse_words("box, set of 3", shop, FIELDS).categories == ("box, set of 3",)


def test_only_is_no_word_of_a_thing() -> None:
    parsed = parse("only white chairs")
    assert (parsed.categories, parsed.colours, parsed.remaining) == (("chair",), ("white",), "")
