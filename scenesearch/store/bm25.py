"""Words as sparse vectors, whose product with those of a query is BM25.

A word is a coordinate by its hash. What a text says of it, how often it stands there and how long
the text is, is the text's number; what the collection says of it, how rare it is, the engines
multiply the query's number by (their IDF modifier). With the mean length of a text fixed in the
collection's record, no text's vector hangs on another text.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
idf that is never negative, ``log(1 + (N - df + 0.5) / (df + 0.5))``, N being the texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.protocols import WORDS, Store
from scenesearch.core.types import CollectionSchema

K1 = 1.2
"""How soon more of the same word stops counting."""
B = 0.75
"""How much long texts are held back, 0 to 1."""
MEAN_WORDS = 20.0
"""The mean length of a collection that is made before any of its texts is known; 2,187 pieces of
furniture have 19.8."""

MAX_DRIFT = 0.2
"""Texts that have become longer or shorter than the recorded mean by more are worth a word."""

_WORD = re.compile(r"[^\W_]+")
_PAGE = 1000


class Terms(NamedTuple):
    """A sparse vector.

    Attributes:
        indices: of words, 32 bits, each once and rising.
        values: of those.
    """

    indices: list[int]
    values: list[float]


def tokens(text: object) -> list[str]:
    """The lower-case runs of letters and digits of a text or of several, in order.

    >>> tokens("Off-white TABLE, 80cm")
    ['off', 'white', 'table', '80cm']
    """
    texts = [text] if isinstance(text, str) else text if isinstance(text, list | tuple) else ()
    return [word.lower() for one in texts if isinstance(one, str) for word in _WORD.findall(one)]


@lru_cache(maxsize=100_000)
def term(word: str) -> int:
    """The coordinate of a word: words of up to four bytes never share one, others may."""
    return crc32(word.encode("utf-8", "surrogatepass"))


def text_terms(text: object, mean: float) -> Terms | None:
    """What a text, or several together, say of their words; None where there is no word.

    Args:
        text: as a payload has it.
        mean: words that a text of the collection has.

    >>> [round(value, 3) for value in text_terms("oak", 1.0).values]
    [1.0]
    """
    counts = Counter(map(term, tokens(text)))
    if not counts:
        return None
    held_back = K1 * (1 - B + B * counts.total() / mean)
    indices = sorted(counts)
    if len(indices) == counts.total():
        return Terms(indices, [(K1 + 1) / (1 + held_back)] * len(indices))
    return Terms(indices, [counts[i] * (K1 + 1) / (counts[i] + held_back) for i in indices])


def query_terms(text: str) -> Terms:
    """The words of a query, each once; empty where there is none."""
    indices = sorted(set(map(term, tokens(text))))
    return Terms(indices, [1.0] * len(indices))


def has_words(schema: CollectionSchema) -> bool:
    """Whether a collection's points can be searched by their words."""
    return schema.fields.get(WORDS) == "text"


def lacks_words(schema: CollectionSchema) -> bool:
    """Whether they could be, and have no vectors yet: an older version made the collection."""
    return has_words(schema) and schema.mean_words is None


def stored_spaces(schema: CollectionSchema) -> list[str]:
    """Every space that points have vectors in, that of words included."""
    return [*schema.vectors, *([WORDS] if has_words(schema) and not lacks_words(schema) else [])]


def payload_terms(payload: Mapping[str, Any], schema: CollectionSchema) -> Terms | None:
    """The words of a payload; None where there are none, or none are searched."""
    if schema.mean_words is None or not has_words(schema):
        return None
    return text_terms(payload.get(WORDS), schema.mean_words)


def count_mean(store: Store) -> float:
    """Words that a text of a collection has, those without any left out."""
    return words_state(store).mean


def stored_terms(store: Store, mean: float) -> Iterator[list[tuple[str, Terms]]]:
    """The points of a collection that have words, by the batch, as their payloads say now."""
    records = scroll_all(store, fields=(WORDS,), page=_PAGE)
    found = ((record.id, text_terms(record.payload.get(WORDS), mean)) for record in records)
    return batches(((i, terms) for i, terms in found if terms is not None), _PAGE)


class WordsState(NamedTuple):
    """What the texts of a collection are like now.

    Attributes:
        mean: words that a text has.
        words: how many different ones there are.
        colliding: how many of those share their coordinate with another.
    """

    mean: float
    words: int
    colliding: int


def words_state(store: Store) -> WordsState:
    """Read every text of a collection once."""
    count = total = 0
    words: set[str] = set()
    for record in scroll_all(store, fields=(WORDS,)):
        found = tokens(record.payload.get(WORDS))
        count, total = count + bool(found), total + len(found)
        words.update(found)
    return WordsState(total / count if count else MEAN_WORDS, len(words), collisions(words))


def collisions(words: Iterable[str]) -> int:
    """How many of these different words share their coordinate with another of them."""
    counts = Counter(term(word) for word in set(words))
    return sum(count for count in counts.values() if count > 1)
