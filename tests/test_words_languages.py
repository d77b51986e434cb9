"""German, French and Spanish: what is a rule is read, the rest stays; English is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from scenesearch.core.conditions import Between
from scenesearch.core.types import FieldType
from scenesearch.words import ParsedWords, Vocabulary, parse_words

FIELDS: dict[str, FieldType] = {"price": "float", "in_stock": "bool"}
ENGLISH = ("sofa", "chair", "table", "coffee table", "lamp", "rug", "bed", "shoes", "curtain")
SHOP = Vocabulary(dict.fromkeys(ENGLISH, 30))
COLOURS = {
    "red": ("roter {de}", "{fr} rouge", "{es} rojo"),
    "blue": ("blaues {de}", "{fr} bleue", "{es} azul"),
    "green": ("grüne {de}", "{fr} vert", "{es} verde"),
    "white": ("weiße {de}", "{fr} blanche", "{es} blanca"),
    "black": ("schwarzer {de}", "{fr} noire", "{es} negra"),
    "grey": ("grauer {de}", "{fr} grise", "{es} gris"),
    "yellow": ("gelbes {de}", "{fr} jaune", "{es} amarilla"),
    "brown": ("braunes {de}", "{fr} marron", "{es} marrón"),
    "navy": ("dunkelblaues {de}", "{fr} bleu foncé", "{es} azul oscuro"),
}
NAMES = {
    "sofa": ("sofa", "canapé", "sofá"),
    "chair": ("stuhl", "chaise", "silla"),
    "coffee table": ("couchtisch", "table basse", "mesa de centro"),
    "lamp": ("leuchte", "lampe", "lámpara"),
    "rug": ("teppich", "tapis", "alfombra"),
    "shoes": ("schuhe", "chaussures", "zapatos"),
}
PRICES: list[tuple[str, dict[str, float]]] = [
    ("unter 100 €", {"lt": 100}),
    ("bis zu 100 €", {"lte": 100}),
    ("bis 100 eur", {"lte": 100}),
    ("höchstens 100 eur", {"lte": 100}),
    ("über 1.299,50 €", {"gt": 1299.5}),
    ("ab 50 €", {"gte": 50}),
    ("mindestens 50 euro", {"gte": 50}),
    ("zwischen 20 und 50 €", {"gte": 20, "lte": 50}),
    ("moins de 100 €", {"lt": 100}),
    ("jusqu'à 100 €", {"lte": 100}),
    ("plus de 100 €", {"gt": 100}),
    ("à partir de 50 €", {"gte": 50}),
    ("entre 20 et 50 €", {"gte": 20, "lte": 50}),
    ("au moins 50 €", {"gte": 50}),
    ("menos de 100 €", {"lt": 100}),
    ("hasta 100 €", {"lte": 100}),
    ("más de 100 €", {"gt": 100}),
    ("desde 50 €", {"gte": 50}),
    ("entre 20 y 50 €", {"gte": 20, "lte": 50}),
]


def parse(text: str, vocabulary: Vocabulary = SHOP) -> ParsedWords:
    return parse_words(text, vocabulary, FIELDS)


@pytest.mark.parametrize("language", range(3), ids=["de", "fr", "es"])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("category", NAMES)
def test_a_thing_in_a_colour(category: str, colour: str, language: int) -> None:
    name = NAMES[category][language]
    parsed = parse(COLOURS[colour][language].format(de=name, fr=name, es=name))
    assert (parsed.categories, parsed.colours, parsed.remaining) == ((category,), (colour,), "")


@pytest.mark.parametrize(("said", "bounds"), PRICES)
@pytest.mark.parametrize("place", ["{} sofa", "sofa {}"])
def test_a_price(place: str, said: str, bounds: dict[str, float]) -> None:
    parsed = parse(place.format(said))
    assert parsed.price == Between("price", **bounds)
    assert (parsed.currency, parsed.categories, parsed.remaining) == ("EUR", ("sofa",), "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sofa ohne armlehnen", {"not_words": ("armlehnen",)}),
        ("sofa nicht rot", {"not_colours": ("red",)}),
        ("sofa nicht rot oder blau", {"not_colours": ("red", "blue")}),
        ("sofa kein leder", {"not_words": ("leder",)}),
        ("sofa weder rot noch blau", {"not_colours": ("red", "blue")}),
        ("sofa statt stuhl", {"not_categories": ("chair",)}),
        ("sofa auf lager", {"in_stock": True}),
        ("canapé sans accoudoirs", {"not_words": ("accoudoirs",)}),
        ("canapé pas rouge", {"not_colours": ("red",)}),
        ("canapé pas de cuir", {"not_words": ("cuir",)}),
        ("canapé ni rouge ni bleu", {"not_colours": ("red", "blue")}),
        ("canapé sauf rouge", {"not_colours": ("red",)}),
        ("canapé en stock", {"in_stock": True}),
        ("sofá sin brazos", {"not_words": ("brazos",)}),
        ("sofá no rojo", {"not_colours": ("red",)}),
        ("sofá ni rojo ni azul", {"not_colours": ("red", "blue")}),
        ("sofá excepto rojo", {"not_colours": ("red",)}),
        ("sofá agotado", {"in_stock": False}),
        ("ein rotes sofa mit holz", {"colours": ("red",), "remaining": "holz"}),
        ("un canapé rouge avec du bois", {"colours": ("red",), "remaining": "bois"}),
    ],
)
def test_what_is_not_wanted_and_what_there_is(text: str, expected: dict[str, Any]) -> None:
    parsed = parse(text)
    assert parsed.categories == ("sofa",)
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.parametrize(
    "text",
    [
        "a lit mirror",
        "sofa for under $50",
        "le corbusier lounge",
        "chaise longue",
        "golden hour lamp",
        "la lamp",
        "regal throw",
        "robe hooks",
        "no iron shirt",
        "desk in oak",
    ],
)
def test_english_is_left_alone(text: str) -> None:
    assert not any(note.startswith("read as") for note in parse(text).notes)


def test_a_catalogue_keeps_its_own_words() -> None:
    german = Vocabulary({"Stuhl": 30, "Kommode": 12, "Stehleuchte": 4})
    assert parse("rote stuhl", german).categories == ("Stuhl",)
    assert parse("stühle", german).categories == ("Stuhl",)
    assert parse("chaise rouge", german).categories == ("Stuhl",)
    assert parse("red chair", german).categories == ("Stuhl",)
    assert parse("stehlampe", german).categories == ("Stehleuchte",)


def test_what_was_read_is_said() -> None:
    assert parse("rotes sofa unter 100 €").notes == ("read as 'red sofa under 100 €'",)
