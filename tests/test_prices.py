"""Prices as shops write them, and HTML as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.catalog.html_text import text_of_html
from scenesearch.catalog.prices import CURRENCIES, Offer, PriceStyle, decimal_of
from scenesearch.catalog.records import CellError
from scenesearch.core.errors import CatalogError

GOOD = [
    ("129.00 EUR", 129.0, "EUR"),
    ("15USD", 15.0, "USD"),
    ("USD 12.50", 12.5, "USD"),
    ("€ 1.299,00", 1299.0, "EUR"),
    ("1,299.00", 1299.0, None),
    ("12,50", 12.5, None),
    ("CHF 1'299.-", 1299.0, "CHF"),
    ("1’299.00", 1299.0, None),
    ("1 299,00 zł", 1299.0, "PLN"),
    ("1\u202f299,00\u00a0€", 1299.0, "EUR"),
    ("12.500 KWD", 12.5, "KWD"),
    ("0.500 EUR", 0.5, "EUR"),
    ("2,500 JPY", 2500.0, "JPY"),
    ("2500", 2500.0, None),
    ("1,234,567.8", 1234567.8, None),
    ("1.234.567", 1234567.0, None),
    ("1234.567", 1234.567, None),
    ("12 kr", 12.0, None),
    ("6.0000", 6.0, None),
    ("10,-", 10.0, None),
]


@pytest.mark.parametrize(("text", "amount", "currency"), GOOD, ids=[g[0] for g in GOOD])
def test_a_price_is_read_as_a_person_reads_it(
    text: str, amount: float, currency: str | None
) -> None:
    assert PriceStyle().read(text) == (amount, currency)


@pytest.mark.parametrize(
    "text", ["-5.00", "3x 19,99", "1.299.00", "EUR 3 USD", "free", "1.", ".5", "nan", "1e3", "٣"]
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(CellError) as caught:
        PriceStyle().read(text)

    assert caught.value.code == "bad_price"


def test_three_digits_after_a_separator_are_read_by_the_other_prices_of_the_file() -> None:
    unknown, german, english = PriceStyle(), PriceStyle(), PriceStyle()
    german.look("12,50")
    english.look("12.50")

    with pytest.raises(CellError, match="two prices"):
        unknown.read("1.299")
    assert german.read("1.299") == (1299.0, None)
    assert english.read("1.299") == (1.299, None)
    assert english.read("1,299") == (1299.0, None)
    german.look("12.50")
    with pytest.raises(CellError, match="--price-locale"):
        german.read("1.299")


def test_a_locale_decides_where_it_is_given() -> None:
    for locale, mark in (("de", ","), ("de_DE", ","), ("de-CH", "."), ("en", "."), ("es_MX", ".")):
        assert decimal_of(locale) == mark
    assert PriceStyle(decimal_of("de")).read("1.299") == (1299.0, None)
    with pytest.raises(CatalogError, match="such as en, de"):
        decimal_of("German please")


@given(
    st.integers(0, 10**9),
    st.sampled_from(sorted(CURRENCIES)),
    st.sampled_from([("", "."), (",", "."), (".", ","), ("'", "."), (" ", ","), ("\u202f", ",")]),
    st.booleans(),
)
def test_what_is_written_with_two_decimals_is_read_back(
    cents: int, currency: str, marks: tuple[str, str], first: bool
) -> None:
    grouping, decimal = marks
    whole = f"{cents // 100:,}".replace(",", grouping)
    number = f"{whole}{decimal}{cents % 100:02}"
    text = f"{currency} {number}" if first else f"{number}{currency}"

    assert PriceStyle().read(text) == (cents / 100, currency)


@given(st.one_of(st.text(max_size=30), st.floats(), st.integers(), st.booleans(), st.none()))
def test_whatever_stands_there_is_a_price_or_refused(cell: object) -> None:
    try:
        price = PriceStyle().read(cell)
    except CellError:
        return

    assert price is None or (math.isfinite(price.amount) and price.amount >= 0)


def test_a_sale_is_dated_by_a_date_that_can_be_read() -> None:
    assert not Offer("9", "5").dated
    assert Offer("9", "5", "2026-05-01T00:00+0200", "2026-05-31").dated
    assert Offer("9", "5", None, "2/19/18, 1:06 AM").dated
    assert not Offer("9", "5", "soon").dated


HTML = [
    ("<p>Solid <b>ash</b></p><p>Oak</p>", "Solid ash\nOak"),
    ("H<sub>2</sub>O", "H2O"),
    ("a &amp;amp; b", "a & b"),
    ("&lt;p&gt;Hi&lt;/p&gt;", "Hi"),
    ("x<script>1<2</script>y<style>p{}</style>", "xy"),
    ("one<br>two<br/>three", "one\ntwo\nthree"),
    ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
    ("so\u00adft zero\u200bwidth\u00a0blank", "soft zerowidth blank"),
    ("<!-- no -->yes", "yes"),
    ("", ""),
]


@pytest.mark.parametrize(("html", "text"), HTML, ids=[text or "nothing" for _, text in HTML])
def test_html_is_what_a_reader_sees_of_it(html: str, text: str) -> None:
    assert text_of_html(html) == text


@given(st.text())
def test_any_text_has_a_text(text: str) -> None:
    assert isinstance(text_of_html(text), str)


@pytest.mark.parametrize("text", ["id,image,price\n1,a.jpg,129.00 EUR\n", "id\timage_link\tprice\n"
                                  "1\thttps://s.test/a.jpg\t129.00 EUR\n"])  # fmt: skip
def test_a_currency_that_stands_beside_the_price_can_be_filtered_by(text, tmp_path):
    path = tmp_path / ("c.tsv" if "\t" in text else "c.csv")
    path.write_text(text)
    (tmp_path / "a.jpg").touch()
    found = read_catalog(path, feed=FeedOptions(fetch=True)).read_all()

    assert found.items[0].attributes == {"price": 129.0, "currency": "EUR"}
    assert found.fields == {"price": "float", "currency": "keyword"}
