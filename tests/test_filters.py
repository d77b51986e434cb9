"""The filter language: what it means, what it refuses, and that nothing else comes out of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.errors import FilterError
from scenesearch.core.types import FieldType
from scenesearch.filters.evaluate import matches
from scenesearch.filters.parse import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse_filter
from scenesearch.filters.typed import check_condition

FIELDS: dict[str, FieldType] = {
    "price": "float",
    "stock": "integer",
    "category": "keyword",
    "brand": "keyword",
    "title": "text",
    "in_stock": "bool",
    "Product Name": "keyword",
    "größe": "keyword",
    "in": "keyword",
}
CHEAP = Between("price", lt=50.0)
CHAIR = Equals("category", "chair")
STOCKED = Equals("in_stock", value=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price < 50", CHEAP),
        ("price<50", CHEAP),
        ("price <= 50", Between("price", lte=50.0)),
        ("price > -1.5e1", Between("price", gt=-15.0)),
        ("price >= .5", Between("price", gte=0.5)),
        ("price = 50", Equals("price", 50.0)),
        ("price == 50", Equals("price", 50.0)),
        ('price = "50"', Equals("price", 50.0)),
        ("price != 50", Not(Equals("price", 50.0))),
        ("price between 10 and 20", Between("price", gte=10.0, lte=20.0)),
        ("price not between 10 and 20", Not(Between("price", gte=10.0, lte=20.0))),
        ("stock = 3", Equals("stock", 3)),
        ("stock = 9007199254740993", Equals("stock", 9007199254740993)),
        ("stock < 2.5", Between("stock", lt=2.5)),
        ("stock in (1, 2)", OneOf("stock", (1, 2))),
        ("category = chair", CHAIR),
        ("CATEGORY = chair", CHAIR),
        ("category like chair", OneOf("category", ("chair",))),
        ("category NOT LIKE chair", Not(OneOf("category", ("chair",)))),
        ("category = like", Equals("category", "like")),
        ("category = 42", Equals("category", "42")),
        ("category = true", Equals("category", "true")),
        ("category = a-b_c.d/e", Equals("category", "a-b_c.d/e")),
        ("brand = H&M", Equals("brand", "H&M")),
        ("brand = стол", Equals("brand", "стол")),
        ("größe = ½", Equals("größe", "½")),
        ("GRÖSSE = x", Equals("größe", "x")),
        ('brand = "two words"', Equals("brand", "two words")),
        ("brand = 'it''s'", None),
        (r"brand = 'it\'s'", Equals("brand", "it's")),
        (r'brand = "a \"b\" \\ c"', Equals("brand", 'a "b" \\ c')),
        ('brand = ""', Equals("brand", "")),
        ('brand = "and"', Equals("brand", "and")),
        ("category in (chair, 'dining table')", OneOf("category", ("chair", "dining table"))),
        ("category not in (chair)", Not(OneOf("category", ("chair",)))),
        ('title = "red sofa"', Equals("title", "red sofa")),
        ("in_stock", STOCKED),
        ("not in_stock", Not(STOCKED)),
        ("in_stock = no", Equals("in_stock", value=False)),
        ("in_stock = YES", STOCKED),
        ('in_stock != "False"', Not(Equals("in_stock", value=False))),
        ("in_stock in (true, false)", OneOf("in_stock", (True, False))),
        ('"product name" = x', Equals("Product Name", "x")),
        ('"in" in (a)', OneOf("in", ("a",))),
        ("price < 50 and category = chair", AllOf((CHEAP, CHAIR))),
        ("price < 50 AND category = chair aNd in_stock", AllOf((CHEAP, CHAIR, STOCKED))),
        ("price < 50 or category = chair", AnyOf((CHEAP, CHAIR))),
        ("price < 50 or category = chair and in_stock", AnyOf((CHEAP, AllOf((CHAIR, STOCKED))))),
        ("(price < 50 or category = chair) and in_stock", AllOf((AnyOf((CHEAP, CHAIR)), STOCKED))),
        ("not price < 50 and in_stock", AllOf((Not(CHEAP), STOCKED))),
        ("not (price < 50 and in_stock)", Not(AllOf((CHEAP, STOCKED)))),
        ("not not in_stock", Not(Not(STOCKED))),
        ("price between 1 and 2 and in_stock", AllOf((Between("price", gte=1, lte=2), STOCKED))),
        ("\n\tprice\n<\u00a050 ", CHEAP),
    ],
)
def test_a_filter_means_what_it_says(text: str, expected: Condition | None) -> None:
    if expected is None:
        with pytest.raises(FilterError):
            parse_filter(text, FIELDS)
    else:
        assert parse_filter(text, FIELDS) == expected


def test_the_example_of_the_documentation_parses() -> None:
    text = 'price < 50 and category in (chair, stool) and not brand = "X" and in_stock'

    condition = parse_filter(text, FIELDS)

    assert condition == AllOf(
        (CHEAP, OneOf("category", ("chair", "stool")), Not(Equals("brand", "X")), STOCKED)
    )


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 1, "empty"),
        ("   ", 4, "empty"),
        ("prize < 5", 1, "unknown field 'prize'.*Did you mean 'price'"),
        ("price < 5 and colour = red", 15, "unknown field 'colour'.*Fields: .*stock"),
        ("price < cheap", 9, "type float.*a number.*'cheap'"),
        ("price < true", 9, "type float"),
        ("price = 1_000", 9, "type float"),
        ("price < 1e999", 9, "finite"),
        ("price = nan", 9, "a number"),
        ("price = inf", 9, "a number"),
        ("price = 50€", 9, "a number"),
        ("stock = 1.5", 9, "type integer.*whole"),
        ("stock = 9223372036854775808", 9, "64 bits"),
        ("in_stock = maybe", 12, "type bool.*true or false.*'maybe'"),
        ("in_stock = 1", 12, "type bool"),
        ("in_stock < 1", 10, "type bool.*no order"),
        ("category < 5", 10, "type keyword.*no order"),
        ("title between 1 and 2", 7, "type text.*no order"),
        ("price", 6, "needs a comparison"),
        ("category and in_stock", 10, "type keyword.*needs a comparison"),
        ("category = dining chair", 19, 'quotes: "dining chair"'),
        ("category = in", 12, "goes in quotes"),
        ("category =", 11, "expected a value.*the end"),
        ("category = (chair)", 12, "expected a value"),
        ("category in chair", 13, r"expected '\('"),
        ("category in ()", 14, "expected a value"),
        ("category in (a b)", 16, "',' or '\\)'"),
        ("category in (a,", 16, "expected a value"),
        ("category not chair", 14, "'in', 'between' or 'like'"),
        ("price between 1, 2", 16, "'and' between"),
        ("price between 20 and 10", 22, "Swap"),
        ("(price < 5", 11, r"'\)' for the '\(' at character 1"),
        ("price < 5)", 10, "never opened"),
        ("and", 1, "expected a field"),
        ("price < 5 and", 14, "expected a field, got the end"),
        ("price < 5 or or in_stock", 14, "expected a field"),
        ("= 5", 1, "expected a field"),
        ("brand = Levi's", 13, "never closed.*double quotes"),
        ("brand = 'x", 9, "never closed"),
        ("brand = x; drop", 10, "';' means nothing"),
        ('brand = {"must": []}', 9, "'{' means nothing"),
        ("brand = a\\b", 10, "means nothing"),
        ("brand = '\ud800'", 9, "surrogate"),
        ("brand = \ud800", 9, "surrogate"),
        ("price < 5 price", 11, "expected 'and', 'or' or the end"),
    ],
)
def test_a_bad_filter_is_told_where_and_why(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text, FIELDS)

    lines = str(caught.value).split("\n")
    assert lines[0].startswith(f"bad filter at character {position}: ")
    assert re.search(message, " ".join(lines), re.IGNORECASE)
    assert lines[2].index("^") == 2 + position - 1


def test_the_caret_stays_under_its_character_in_a_long_filter() -> None:
    text = "price < 5 and " * 30 + "prize < 5" + " and price < 5" * 30

    with pytest.raises(FilterError) as caught:
        parse_filter(text, FIELDS)

    _, shown, caret, *_ = str(caught.value).split("\n")
    assert shown[caret.index("^") :].startswith("prize")
    assert len(shown) < 140


def test_a_name_that_fits_two_fields_must_be_written_exactly() -> None:
    fields: dict[str, FieldType] = {"Size": "keyword", "size": "integer"}

    assert parse_filter("size = 3", fields) == Equals("size", 3)
    with pytest.raises(FilterError, match="any of Size, size"):
        parse_filter("SIZE = 3", fields)


@pytest.mark.parametrize(
    "text",
    [
        "x" * (MAX_LENGTH + 1),
        "not " * (MAX_DEPTH + 1) + "in_stock",
        "(" * (MAX_DEPTH + 1) + "in_stock" + ")" * (MAX_DEPTH + 1),
        f"stock in ({','.join(['1'] * (MAX_TERMS + 1))})",
        " or ".join(["in_stock"] * (MAX_TERMS + 1)),
    ],
    ids=["length", "nots", "parentheses", "values", "terms"],
)
def test_a_filter_above_the_limits_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match=r"too long|nested|more than"):
        parse_filter(text, FIELDS)


def test_a_filter_at_the_limits_is_read() -> None:
    deep = "(" * (MAX_DEPTH - 1) + "in_stock" + ")" * (MAX_DEPTH - 1)
    wide = f"stock in ({','.join(['1'] * MAX_TERMS)})"

    assert parse_filter(deep, FIELDS) == STOCKED
    assert parse_filter(wide, FIELDS) == OneOf("stock", (1,) * MAX_TERMS)


def test_only_text_is_read() -> None:
    with pytest.raises(TypeError, match="must be text"):
        parse_filter({"must": []}, FIELDS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    ['" or in_stock or brand = "', "x' OR 1=1 --", '{"must_not": []}', "a) or (b", "\\", "\n"],
)
def test_what_looks_like_syntax_inside_quotes_is_a_literal(value: str) -> None:
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert parse_filter(f"brand = {quoted}", FIELDS) == Equals("brand", value)


@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    *FIELDS,
                    *("and", "or", "not", "in", "between", "=", "!=", "<", ">=", "(", ")", ","),
                    *("'", '"', "\\", "5", "-1", "1e400", "true", "no", "chair", "9" * 30, "\0"),
                ]
            ),
            max_size=40,
        ).map(" ".join),
    )
)
@example("price < " + "9" * 3_900)
def test_any_text_gives_a_condition_or_a_filter_error(text: str) -> None:
    try:
        condition = parse_filter(text, FIELDS)
    except FilterError:
        return

    # Whatever was read has the types of its fields already.
    assert check_condition(condition, FIELDS) == condition


_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_integers = st.integers(-(2**53), 2**53)
_leaves = st.one_of(
    st.builds(Equals, st.sampled_from(["category", "brand", "title", "Product Name"]), _words),
    st.builds(Equals, st.just("price"), _numbers),
    st.builds(Equals, st.just("stock"), _integers),
    st.builds(Equals, st.just("in_stock"), st.booleans()),
    st.builds(OneOf, st.just("brand"), st.lists(_words, min_size=1, max_size=3).map(tuple)),
    st.builds(OneOf, st.just("stock"), st.lists(_integers, min_size=1, max_size=3).map(tuple)),
    st.builds(lambda bound: Between("price", lt=bound), _numbers),
    st.builds(lambda bound: Between("stock", gte=bound), _numbers),
    st.builds(lambda a, b: Between("price", gte=min(a, b), lte=max(a, b)), _numbers, _numbers),
)
_conditions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


def _written(condition: Condition) -> str:
    """A condition in the filter language, everything quoted and in parentheses."""

    def value(entry: object) -> str:
        if isinstance(entry, bool):
            return "true" if entry else "false"
        if isinstance(entry, str):
            return '"' + entry.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return repr(entry)

    match condition:
        case Equals(field, entry):
            return f'"{field}" = {value(entry)}'
        case OneOf(field, entries):
            return f'"{field}" in ({", ".join(map(value, entries))})'
        case Between(field, gte=low, lte=high) if low is not None and high is not None:
            return f'"{field}" between {value(low)} and {value(high)}'
        case Between(field, lt=bound) if bound is not None:
            return f'"{field}" < {value(bound)}'
        case Between(field, gte=bound):
            return f'"{field}" >= {value(bound)}'
        case AllOf(terms):
            return " and ".join(f"({_written(term)})" for term in terms)
        case AnyOf(terms):
            return " or ".join(f"({_written(term)})" for term in terms)
        case Not(term):
            return f"not ({_written(term)})"


@given(_conditions)
def test_a_written_condition_reads_back_equal(condition: Condition) -> None:
    assert parse_filter(_written(condition), FIELDS) == condition


@pytest.mark.parametrize(
    ("condition", "payload", "expected"),
    [
        (Equals("tags", "red"), {"tags": ["blue", "red"]}, True),
        (Equals("tags", "red"), {"tags": []}, False),
        (Equals("tags", "red"), {}, False),
        (Equals("tags", "red"), {"tags": None}, False),
        (Not(Equals("tags", "red")), {}, True),
        (Equals("stock", 1), {"stock": True}, False),
        (Equals("flag", value=True), {"flag": 1}, False),
        (Equals("price", 5.0), {"price": 5}, True),
        (Between("price", gte=5, lt=6), {"price": 5}, True),
        (Between("price", gte=5, lt=6), {"price": 6}, False),
        (Between("price", gt=5), {"price": 5}, False),
        (Between("price"), {}, False),
        (Between("price", gt=0), {"price": True}, False),
        (Between("price", gt=0), {"price": "5"}, False),
        (Between("sizes", gt=2, lt=4), {"sizes": [1, 5]}, False),
        (Equals("title", "Oak CHAIR"), {"title": "chair, oak"}, True),
        (Equals("title", "oa"), {"title": "oak"}, False),
        (Equals("title", "..."), {"title": "..."}, False),
        (AllOf(()), {}, True),
        (AnyOf(()), {}, False),
    ],
)
def test_a_condition_holds_or_not(
    condition: Condition, payload: dict[str, object], expected: bool
) -> None:
    assert matches(condition, payload, {"title": "text"}) is expected


def _couch(field: str, value: str) -> tuple[str, ...]:
    return ("sofa", "sofa-bed") if value == "couch" else ()


def test_like_asks_what_a_value_means() -> None:
    asked = parse_filter("price < 50 and category like couch", FIELDS, _couch)
    assert asked == AllOf((CHEAP, OneOf("category", ("sofa", "sofa-bed"))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("category like spaceship", "no category of the catalogue means 'spaceship'"),
        ("price like 50", "only keyword fields are read by meaning"),
        ("category like", "expected a value for 'category'"),
    ],
)
def test_like_says_what_it_cannot_read(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        parse_filter(text, FIELDS, _couch)
