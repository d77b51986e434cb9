"""What people type to find photos: how it is read, and what each word is taken for."""

from __future__ import annotations

import pytest

from scenesearch.core.errors import QueryError
from scenesearch.scenes.language import Either, Every, Thing, Without, Written, parse_query
from scenesearch.scenes.lexicon import Lexicon, Meaning, folded
from scenesearch.scenes.understand import understand

LEXICON = Lexicon(
    {"sofa": 9, "chair": 7, "dining table": 4, "person": 3, "orange": 2, "Kitchen & bar sink": 1},
    {"kitchen": 5, "living room": 4, "children's room": 1},
    {"sofa": 9, "rustic": 2, "lamp": 3},
    synonyms={"couch": "sofa", "settee": "sofa", "people": "person"},
    known=("zebra", "lamp", "sofa"),
)


def plain(tree):
    """A tree without places, short enough to read in a table."""
    match tree:
        case Thing(words, None, None, _):
            return " ".join(words)
        case Thing(words, low, high, _):
            return (low, high, " ".join(words))
        case Written(text):
            return f'"{text}"'
        case Without(term):
            return ["not", plain(term)]
        case Every(terms):
            return ["and", *map(plain, terms)]
        case Either(terms):
            return ["or", *map(plain, terms)]


READ = [
    ("couch", "couch"),
    ("Red Couch", "red couch"),
    ("a couch and the lamp", ["and", "couch", "lamp"]),
    ("couch and lamp and not person", ["and", "couch", "lamp", ["not", "person"]]),
    ("couch, lamp, and chair", ["and", "couch", "lamp", "chair"]),
    ("couch with a lamp but no person", ["and", "couch", "lamp", ["not", "person"]]),
    ("couch without lamp", ["and", "couch", ["not", "lamp"]]),
    ("couch not person", ["and", "couch", ["not", "person"]]),
    ("couch or lamp and chair", ["or", "couch", ["and", "lamp", "chair"]]),
    ("(couch or lamp) and chair", ["and", ["or", "couch", "lamp"], "chair"]),
    ("not (couch or lamp)", ["not", ["or", "couch", "lamp"]]),
    ("not not couch", ["not", ["not", "couch"]]),
    ("2 chairs", (2, 2, "chairs")),
    ("two chairs", (2, 2, "chairs")),
    ("exactly 2 chairs", (2, 2, "chairs")),
    ("at least 3 chairs", (3, None, "chairs")),
    ("3+ chairs", (3, None, "chairs")),
    ("3 or more chairs", (3, None, "chairs")),
    ("more than 3 chairs", (4, None, "chairs")),
    ("at most 3 chairs", (0, 3, "chairs")),
    ("3 or fewer chairs", (0, 3, "chairs")),
    ("fewer than 3 chairs", (0, 2, "chairs")),
    ("2-4 chairs", (2, 4, "chairs")),
    ("0 chairs", (0, 0, "chairs")),
    ("2 red chairs and 1+ lamps", ["and", (2, 2, "red chairs"), (1, None, "lamps")]),
    ("couch or 2 chairs", ["or", "couch", (2, 2, "chairs")]),
    ('"grand sale"', '"grand sale"'),
    ("kitchen and 'sale'", ["and", "kitchen", '"sale"']),
    ('kitchen "sale"', ["and", "kitchen", '"sale"']),
    ("children's room", "children's room"),
    ("t-shirt AND Couch OR lamp", ["or", ["and", "t-shirt", "couch"], "lamp"]),
]


@pytest.mark.parametrize(("text", "tree"), READ, ids=[text for text, _ in READ])
def test_a_query_is_read_as(text, tree):
    assert plain(parse_query(text)) == tree


WRONG = [
    ("", "the query is empty"),
    ("   ", "the query is empty"),
    ("couch and", "expected something to look for, got the end"),
    ("and couch", "expected something to look for, got 'and'"),
    ("not", "expected something to look for"),
    ("2", "expected something to look for"),
    ("(couch", "this parenthesis is never closed"),
    ("couch)", "expected 'and', 'or' or the end, got ')'"),
    ('couch and "sale', "this quote is never closed"),
    ('""', "no word is in these quotes"),
    ("4-2 chairs", "wrong way round"),
    ("99999 chairs", "a count of 99999"),
    ("fewer than 0 chairs", "a count of -1"),
    ("(" * 30 + "couch" + ")" * 30, "nested more than"),
    (" and ".join(["couch"] * 100), "more than 64 things"),
    ("couch " * 400, "at most 1000"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[text[:30] for text, _ in WRONG])
def test_what_cannot_be_read_is_said_with_its_place(text, said):
    with pytest.raises(QueryError) as caught:
        parse_query(text)

    assert said in str(caught.value)


def test_the_caret_stands_under_what_is_wrong():
    with pytest.raises(QueryError) as caught:
        parse_query("couch and (lamp")

    _, shown, caret, _ = str(caught.value).splitlines()
    assert shown[caret.index("^")] == "("


NAMED = [
    ("sofa", Meaning("label", ("sofa",))),
    ("couches", Meaning("label", ("sofa",))),
    ("Dining-Tables", Meaning("label", ("dining table",))),
    ("people", Meaning("label", ("person",))),
    ("kitchen bar sinks", Meaning("label", ("Kitchen & bar sink",))),
    ("red settee", Meaning("label", ("sofa",), "red")),
    ("dark blue sofa", Meaning("label", ("sofa",), "navy")),
    ("light grey dining tables", Meaning("label", ("dining table",), "light grey")),
    ("orange", Meaning("label", ("orange",))),
    ("orange sofa", Meaning("label", ("sofa",), "orange")),
    ("kitchen", Meaning("kind", ("kitchen",))),
    ("living rooms", Meaning("kind", ("living room",))),
    ("children's room", Meaning("kind", ("children's room",))),
    ("rustic", Meaning("tag", ("rustic",))),
    ("lamp", Meaning("tag", ("lamp",))),
    ("burgundy", Meaning("colour", ("burgundy",))),
    ("zebras", Meaning("absent", ("zebras",))),
    ("red zebra", Meaning("absent", ("red zebra",))),
    ("unicorn", None),
    ("red unicorn", None),
]


@pytest.mark.parametrize(("text", "meaning"), NAMED, ids=[text for text, _ in NAMED])
def test_words_mean(text, meaning):
    assert LEXICON.meaning(text.lower().split()) == meaning


@pytest.mark.parametrize("other", ["wine glasses", "Wine_Glass", "wineglass", "WINE-GLASSES"])
def test_case_plural_and_spaces_do_not_count(other):
    assert folded(other) == folded("wine glass")


SAID = [
    ("couch and lamp and not person", "sofa and tag lamp and not person"),
    ("(couch or chair) and kitchen", "(sofa or chair) and kind kitchen"),
    ("not (couch or chair)", "not (sofa or chair)"),
    ("2+ red couches", "at least 2 red sofa"),
    ("2 chairs and 'sale'", 'exactly 2 chair and text "sale"'),
    ("2-3 chairs or at most 1 person", "2 to 3 chair or at most 1 person"),
    ("burgundy and rustic", "colour burgundy and tag rustic"),
]


@pytest.mark.parametrize(("text", "said"), SAID, ids=[text for text, _ in SAID])
def test_what_was_understood_is_said_in_the_words_of_the_collection(text, said):
    assert understand(text, LEXICON).understood == said


def test_the_labels_that_rank_are_those_asked_for():
    query = understand("couch and (2 chairs or zebra) and not person and 0 oranges", LEXICON)

    assert query.labels == ("sofa", "chair")
    assert query.notes == ("no photo has zebra",)


UNKNOWN = [
    ("chiar", "did you mean 'chair'?"),
    ("livin room", "'living room'"),
    ("couch lamp", "did you mean 'couch and lamp'?"),
    ("unicorn", "labels in this collection: sofa, chair, dining table, person"),
    ("not unicorn", "no photo has 'unicorn'"),
]


@pytest.mark.parametrize(("text", "said"), UNKNOWN, ids=[text for text, _ in UNKNOWN])
def test_what_nothing_is_called_is_an_error_with_near_names(text, said):
    with pytest.raises(QueryError) as caught:
        understand(text, LEXICON)

    assert said in str(caught.value)
    assert caught.value.code == "unknown_label"


@pytest.mark.parametrize("text", ["2 kitchens", "3+ lamps", "at most 2 burgundy"])
def test_only_objects_are_counted(text):
    with pytest.raises(QueryError, match="only detected objects are counted"):
        understand(text, LEXICON)


def test_an_empty_collection_says_so():
    with pytest.raises(QueryError, match="index photos first"):
        understand("couch", Lexicon({}))


HOME = Lexicon({"couch": 5, "Houseplant": 2, "Coffee table": 1}, {"bedroom": 3}, known=("zebra",))


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("settee", "couch"),
        ("2+ sofas", "at least 2 couch"),
        ("not loveseat", "not couch"),
        ("red settee", "red couch"),
        ("table", "Coffee table"),
    ],
)
def test_a_thing_is_found_by_what_surely_means_it(text: str, understood: str) -> None:
    query = understand(text, HOME)
    assert query.understood == understood
    assert "is read as" in query.notes[0]


@pytest.mark.parametrize("text", ["fork", "spaceship", "purple", "bedrooms", "zebra"])
def test_what_means_nothing_that_is_there_is_not_read_as_it(text: str) -> None:
    try:
        query = understand(text, HOME)
    except QueryError:
        return
    assert not any("is read as" in note for note in query.notes)
