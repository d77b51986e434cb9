"""Names, their synonyms and kinds of scenes: files, and what is wrong with some."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from fakes.models import COLOURS, FakeEmbedder

from scenesearch.core.errors import ConfigError
from scenesearch.tagging.rows import Tag
from scenesearch.tagging.vocabulary import (
    Kind,
    Kinds,
    Vocabulary,
    fold,
    plain,
    read_kinds,
    read_vocabulary,
)
from scenesearch.tagging.zero_shot import (
    LOGIT_SCALE,
    TEMPLATES,
    Prompts,
    ZeroShot,
    choose,
    softmax,
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "words.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# --- folding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Couch", "couches"),
        ("dining_table", "Dining tables"),
        ("T-shirt", "t shirts"),
        ("Bookshelves", "bookshelf"),
        ("  tv ", "TV"),
    ],
    ids=str,
)
def test_case_plural_and_separators_do_not_make_another_name(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"), [("table", "tablet"), ("short", "shorts"), ("sofa", "sofa bed")], ids=str
)
def test_other_words_stay_other_names(one, other):
    assert fold(one) != fold(other)


# --- vocabularies ------------------------------------------------------------------------------

GROUPS = Vocabulary({"sofa": ("couch", "settee"), "rug": ()})


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("couch", "sofa"),
        ("Settees", "sofa"),
        ("SOFA", "sofa"),
        ("rugs", "rug"),
        ("Wine_glass", "wine glass"),
        ("zebra", "zebra"),
    ],
    ids=str,
)
def test_a_label_gets_the_name_of_its_group_or_stays_itself(word, name):
    assert GROUPS.canonical(word) == name


@pytest.mark.parametrize(
    "text",
    [
        "- sofa: [couch, settee]\n- rug\n",
        "# a comment\nsofa: [Couch, settee]\nrug:\n",
        "sofa:\n  - couch\n  - settee\nrug: []\n",
    ],
    ids=["a list", "a mapping", "long lists"],
)
def test_lists_and_mappings_mean_the_same(written, text):
    found = read_vocabulary(written(text))

    assert found == GROUPS
    assert found.fingerprint == GROUPS.fingerprint


@pytest.mark.parametrize(
    "groups",
    [{"sofa": ("couch",), "rug": ()}, {"rug": (), "sofa": ("couch", "settee")}, {"sofa": ()}],
    ids=["a synonym less", "another order", "a name less"],
)
def test_other_content_has_another_fingerprint(groups):
    assert Vocabulary(groups).fingerprint != GROUPS.fingerprint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got None, expected a list of names"),
        ("just words", "expected a list of names"),
        ("[]", "expected a list of names"),
        ("- no\n", "got False, expected a word"),
        ("- 3\n", "got 3, expected a word"),
        ("- ' '\n", "got ' ', expected a word"),
        ("- sofa: couch\n", "synonyms of 'sofa': got 'couch', expected a list"),
        ("- {sofa: [a], rug: [b]}\n", "a name: got"),
        ("- sofa\n- sofa\n", "a name is there twice"),
        ("- sofa\n- Sofas\n", "'sofas' of 'sofas' is also a word of 'sofa'"),
        ("- sofa: [couch]\n- couch\n", "'couch' of 'couch' is also a word of 'sofa'"),
        ("- [unclosed\n", "not a readable YAML file"),
        ("- !!python/object:os.system x\n", "not a readable YAML file"),
    ],
)
def test_a_bad_vocabulary_is_named_with_what_is_wrong(written, text, said):
    path = written(text)

    with pytest.raises(ConfigError) as caught:
        read_vocabulary(path)

    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected kinds by name"),
        ("- kitchen\n", "expected kinds by name"),
        ("kitchen: [oven]\n", "expected words: [...] and labels: [...]"),
        ("kitchen: {label: [oven]}\n", "expected words: [...] and labels: [...]"),
        ("kitchen: {labels: oven}\n", "labels of kitchen: got 'oven', expected a list"),
        ("kitchen: {}\nKitchens: {}\n", "is also a word of 'kitchen'"),
    ],
)
def test_a_bad_file_of_kinds_is_named_with_what_is_wrong(written, text, said):
    path = written(text)

    with pytest.raises(ConfigError) as caught:
        read_kinds(path)

    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("read", [read_vocabulary, read_kinds])
def test_a_missing_file_or_one_of_other_text_is_refused(read, tmp_path):
    with pytest.raises(ConfigError, match="not a readable YAML file"):
        read(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("- caf\u00e9".encode("latin-1"))
    with pytest.raises(ConfigError, match="not a readable YAML file"):
        read(tmp_path / "latin.yaml")


def test_the_files_of_the_package_can_be_read_and_know_what_detectors_say():
    vocabulary, kinds = read_vocabulary(), read_kinds()

    assert len(vocabulary.groups) > 100
    assert [vocabulary.canonical(w) for w in ("couch", "tv", "Studio couch")] == [
        "sofa",
        "television",
        "sofa",
    ]
    assert len(kinds.kinds) > 10
    assert all(kind.labels and kind.words for kind in kinds.kinds)


# --- kinds from labels -------------------------------------------------------------------------

KINDS = Kinds(
    (
        Kind("kitchen", ("kitchen",), ("oven", "sink", "chair")),
        Kind("dining room", ("dining room",), ("dining table", "chair")),
    )
)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"oven": 0.6, "Sinks": 0.2}, ("kitchen", 1.0)),
        ({"oven": 0.5, "person": 0.5}, ("kitchen", 0.5)),
        ({"Dining_table": 0.9, "oven": 0.3}, ("dining room", 0.75)),
        ({"chair": 0.4}, ("kitchen", 1.0)),
        ({"zebra": 0.9}, (None, 0.0)),
        ({}, (None, 0.0)),
    ],
    ids=["all", "half", "the larger share", "a tie goes to the first", "none speaks", "empty"],
)
def test_the_kind_is_what_most_of_the_confidence_speaks_for(found, wanted):
    kind, score = KINDS.by_labels(found)

    assert kind == wanted[0]
    assert score == pytest.approx(wanted[1])


def test_a_kind_without_words_is_asked_for_by_its_name(written):
    (kind,) = read_kinds(written("Home_Office: {labels: [laptop]}\n")).kinds

    assert kind == Kind("home office", ("home office",), ("laptop",))


# --- zero shot ---------------------------------------------------------------------------------


class CountingEmbedder(FakeEmbedder):
    """Keeps the texts it was asked for."""

    def __init__(self):
        super().__init__(64, has_text=True)
        self.asked = []

    def embed_texts(self, texts):
        self.asked += texts
        return super().embed_texts(texts)


def flat(colour):
    return np.full((16, 16, 3), COLOURS[colour], np.uint8)


def test_a_picture_is_named_by_the_word_it_is_like():
    embedder = FakeEmbedder(256, has_text=True)
    words = ZeroShot(Prompts(embedder), {name: (name,) for name in COLOURS})

    found = words.best(embedder.embed_images([flat("red"), flat("blue")]), limit=3, floor=0.0)

    assert [one[0][0] for one in found] == ["red", "blue"]
    assert all(len(one) == 3 for one in found)
    assert all(a[1] >= b[1] for one in found for a, b in pairwise(one))


def test_shares_are_the_softmax_of_scaled_cosines_with_the_mean_of_the_prompts():
    embedder = FakeEmbedder(64, has_text=True)
    names = ("red", "green", "chair")
    picture = embedder.embed_images([flat("green")])

    found = dict(
        ZeroShot(Prompts(embedder), {n: (n,) for n in names}).best(picture, limit=9, floor=0.0)[0]
    )

    rows = []
    for name in names:
        mean = embedder.embed_texts([t.format(name) for t in TEMPLATES]).mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    powers = np.exp(LOGIT_SCALE * (picture[0].astype(float) @ np.array(rows, float).T))
    wanted = powers / powers.sum()
    assert [found[name] for name in names] == pytest.approx(wanted.tolist(), abs=1e-3)


def test_a_group_of_words_is_one_class():
    embedder = FakeEmbedder(256, has_text=True)
    words = ZeroShot(Prompts(embedder), {"warm": ("red", "orange"), "cold": ("blue", "cyan")})

    found = words.best(embedder.embed_images([flat("orange")]), limit=2, floor=0.0)

    assert found[0][0][0] == "warm"


def test_shares_below_the_floor_are_left_out():
    embedder = FakeEmbedder(256, has_text=True)
    words = ZeroShot(Prompts(embedder), {"red": ("red",), "blue": ("blue",)})

    (found,) = words.best(embedder.embed_images([flat("red")]), limit=5, floor=0.5)

    assert [name for name, _ in found] == ["red"]


def test_each_word_is_embedded_once_with_every_template():
    embedder = CountingEmbedder()
    prompts = Prompts(embedder)
    ZeroShot(prompts, {"sofa": ("sofa", "couch"), "rug": ("rug",)})
    ZeroShot(prompts, {"sofa": ("sofa",)})
    prompts.vectors(["rug", "rug"])

    assert sorted(embedder.asked) == sorted(
        t.format(w) for w in ("sofa", "couch", "rug") for t in TEMPLATES
    )


def test_no_words_have_no_vectors():
    assert Prompts(FakeEmbedder(8, has_text=True)).vectors([]).shape == (0, 8)


def test_softmax_of_large_numbers_stays_finite():
    assert softmax(np.array([[1e4, -1e4]], np.float32)).tolist() == [[1.0, 0.0]]


# --- choosing ----------------------------------------------------------------------------------


def tags(*pairs, source="label"):
    return [Tag(name, score, source) for name, score in pairs]


@pytest.mark.parametrize(
    ("found", "limit", "wanted"),
    [
        (tags(("a", 0.1), ("b", 0.9)), 5, ["b", "a"]),
        (tags(("b", 0.5), ("a", 0.5)), 5, ["a", "b"]),
        (tags(("chairs", 0.4), ("Chair", 0.6)), 5, ["Chair"]),
        (tags(("a", 0.3), ("b", 0.2), ("c", 0.1)), 2, ["a", "b"]),
        ([], 5, []),
    ],
    ids=["best first", "ties by name", "plural is the same", "cut", "none"],
)
def test_the_best_tag_of_each_name_is_kept(found, limit, wanted):
    assert [tag.name for tag in choose(found, limit=limit)] == wanted


def test_a_label_comes_before_a_zero_shot_tag_of_the_same_score():
    both = [Tag("rug", 0.5, "zero_shot"), Tag("rug", 0.5, "label")]

    assert choose(both, limit=5) == (Tag("rug", 0.5, "label"),)


def test_words_that_a_text_tower_puts_together_are_said_once():
    place = {"sofa": (1.0, 0.0), "divan": (0.99, 0.141), "rug": (0.0, 1.0)}

    def vectors(words):
        return np.array([place[word] for word in words], np.float32).reshape(-1, 2)

    found = tags(("divan", 0.4), ("sofa", 0.6), ("rug", 0.1))

    assert [t.name for t in choose(found, limit=5, vectors=vectors, same=0.95)] == ["sofa", "rug"]
    assert len(choose(found, limit=5, vectors=vectors, same=0.995)) == 3
    assert choose([], limit=5, vectors=vectors, same=0.9) == ()


def test_a_tag_is_written_plainly():
    assert plain(" Coffee_Table ") == "coffee table"
