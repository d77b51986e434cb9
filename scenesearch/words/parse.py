"""A text to what it asks for, by rules: no model, no network, the same answer every time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from scenesearch.attributes.names import written_names
from scenesearch.core.errors import QueryError
from scenesearch.core.types import FieldType
from scenesearch.words.languages import in_english
from scenesearch.words.money import PRICE, Money, find_price
from scenesearch.words.negations import plain_negations
from scenesearch.words.parsed import ParsedWords
from scenesearch.words.tokens import BREAK, GLUE, NEGATIONS, Token, tokenise
from scenesearch.words.vocabulary import NEARLY, SAME, Named, Stems, Vocabulary, stems_of

MAX_LENGTH = 1000
"""Characters; a longer text is no query."""

_IN_STOCK = re.compile(
    r"\b(?:(?P<out>not in[ -]stock|not available|out[ -]of[ -]stock|sold[ -]out|unavailable)"
    r"|(?:only |currently )?(?:in[ -]stock|available)(?: now)?)\b(?! in\b(?![ -]stock))"
)
_SURROGATES = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# words before a colour that say which of its shades, as far as the vocabulary has shades
_SHADES = {
    "pale": "light",
    "pastel": "light",
    "soft": "light",
    "deep": "dark",
    **dict.fromkeys(("bright", "vivid", "medium", "plain", "solid", "pure", "light", "dark"), ""),
}
_ISH = {
    **{
        f"{c}ish": c
        for c in ("black", "grey", "gray", "brown", "green", "yellow", "pink", "purple")
    },
    "reddish": "red",
    "bluish": "blue",
    "blueish": "blue",
    "whitish": "white",
    "orangey": "orange",
    "greyed": "grey",
}
_COLOUR_WORDS = frozenset({"colour", "color", "coloured", "colored", "colours", "colors"})
# as often the thing as its colour: the word stays, for the texts of items
_THINGS_TOO = frozenset(
    {"rose", "salmon", "camel", "peach", "olive", "lime", "mint", "cream", "gold", "silver"}
)
_NO_COLOURS = frozenset({"wine"})
_LONGEST_COLOUR = 3
_SHOWN = 3
_FEW = 20
"""Items of the categories that were named: fewer do not fill a page."""


class _Found(NamedTuple):
    """What the words at one place mean: one of the two, and how many words it took."""

    length: int
    colour: str | None = None
    named: Named | None = None
    note: str = ""


def parse_words(
    text: str,
    vocabulary: Vocabulary,
    fields: Mapping[str, FieldType],
    *,
    strict_category: bool = False,
) -> ParsedWords:
    """Understand a text as far as the rules go; whatever they do not know stays text.

    Args:
        text: what someone typed, in English or, as far as words are rules, German, French, Spanish.
        vocabulary: the categories of the collection.
        fields: of the collection; without a price, what is said of it is left out with a note;
            without a stock, what is said of it stays text.
        strict_category: categories are a filter instead of a preference.

    Raises:
        QueryError: the text is longer than :data:`MAX_LENGTH`.

    >>> parsed = parse_words("red shoes under $50", Vocabulary({"shoes": 9}), {"price": "float"})
    >>> parsed.colours, parsed.categories, parsed.price.lt, parsed.remaining
    (('red',), ('shoes',), 50.0, '')
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(
            f"The words of a query are {len(text)} characters long, expected at most "
            f"{MAX_LENGTH}; shorten them",
            code="long_text",
        )
    lower = _SURROGATES.sub(" ", text.lower())
    lower, translated = in_english(
        lower, lambda said: vocabulary.named(stems_of(said.split())) is not None
    )
    lower = plain_negations(lower)
    money = find_price(lower)
    notes = [*translated, *money.notes]
    if money.price is not None and fields.get(PRICE) not in ("float", "integer"):
        said = ", ".join(repr(lower[start:end].strip()) for start, end in money.spans)
        notes = [*translated, f"the catalogue has no field {PRICE!r}, so {said} is left out"]
        money = Money(spans=money.spans)
    stock = list(_IN_STOCK.finditer(lower)) if fields.get("in_stock") == "bool" else []
    taken = [*money.spans, *(found.span() for found in stock)]
    reader = _Reader(tokenise(lower, taken), vocabulary)
    reader.read()
    categories, not_categories = _apart(reader.categories, reader.not_categories)
    colours, not_colours = _apart(reader.colours, reader.not_colours)
    remaining = "".join(("-" if t.hyphen else " ") + t.text for t in reader.left)[1:]
    kinds = _apart(reader.kinds, [*not_categories, *categories])[0]
    said, without = " ".join(reader.things), list(not_categories)
    fits: dict[str, float] = {}
    for compound, named in reader.compounds:
        of = [name for name in (*named.categories, *named.kinds) if name in (*categories, *kinds)]
        fits |= vocabulary.fits(compound, of)
    near: tuple[str, ...] = ()
    for compound, _ in reader.compounds:
        # a tv bench for a tv stand: another head, and the word that matters
        akin = vocabulary.sharing(compound, (*categories, *kinds, *not_categories))
        near, fits = (*near, *akin), {**fits, **akin}
    if said and vocabulary.items((*categories, *kinds)) < _FEW:
        meant = vocabulary.meant(said, (*categories, *kinds))
        best = max(meant.values(), default=0.0)
        nearly = [name for name, fit in meant.items() if fit >= best - NEARLY]
        near = _apart([*near, *nearly], without)[0]
        fits |= {name: meant[name] for name in nearly}
        if near and not categories:
            categories = tuple(name for name in near if meant[name] >= best - SAME)
            near = near[len(categories) :]
            notes.append(f"{said!r} is read as {', '.join(map(repr, categories[:_SHOWN]))}")
    return ParsedWords(
        text=text,
        colours=colours,
        not_colours=not_colours,
        categories=categories,
        kinds=kinds,
        near=near,
        fits=fits,
        not_categories=not_categories,
        price=money.price,
        currency=money.currency,
        in_stock=stock[-1]["out"] is None if stock else None,
        remaining=remaining,
        not_words=tuple(dict.fromkeys(reader.not_words)),
        strict_category=strict_category,
        notes=tuple(dict.fromkeys([*notes, *reader.notes])),
    )


class _Reader:
    """Goes over the words once; at each place the longest thing that is understood wins."""

    def __init__(self, tokens: list[Token], vocabulary: Vocabulary) -> None:
        self._tokens = tokens
        self._vocabulary = vocabulary
        self.colours: list[str] = []
        self.not_colours: list[str] = []
        self.categories: list[str] = []
        self.kinds: list[str] = []
        self.not_categories: list[str] = []
        self.not_words: list[str] = []
        self.left: list[Token] = []
        self.things: list[str] = []
        self.notes: list[str] = []
        # names with the words right before them: "office chair", where "chair" is a category
        self.compounds: list[tuple[str, Named]] = []
        self._left: set[int] = set()
        # the last category: where it ends and begins, and how many were known before it
        self._before: tuple[int, int, int, int] | None = None

    def read(self) -> None:
        place, negation = 0, False
        while place < len(self._tokens):
            token = self._tokens[place]
            if self._is_negation(place):
                negation, place = True, place + 1
                continue
            negation = negation and not token.after_break
            negated = negation or token.minus
            if token.text in NEGATIONS and place + 1 == len(self._tokens):
                break  # nothing is left to be negated
            phrase = self._phrase(place, negated=negated)
            if phrase:
                # one thing, and not what its words name alone: throw pillow, chaise longue
                begin, place = place, place + phrase
                words = self._tokens[begin:place]
                if negated:
                    self.not_words += [one.text for one in words]
                else:
                    self.things += [one.text for one in words]
                negation = negation and self._goes_on(place, colour=False)
                continue
            # the longer one; of two that are as long, the category
            meanings = (self._category(place), self._colour(place))
            found = max(filter(None, meanings), key=lambda one: one.length, default=None)
            begin, place = place, place + (1 if found is None else found.length)
            if found is not None:
                self._take(found, begin, negated=negated)
            elif token.text in GLUE:
                continue
            elif negated:
                self.not_words.append(token.text)
            else:
                self._keep(begin, place)
                self.things.append(token.text)
            negation = negation and self._goes_on(place, colour=bool(found and found.colour))

    def _keep(self, begin: int, end: int) -> None:
        """Leave words as they are."""
        self.left += self._tokens[begin:end]
        self._left.update(range(begin, end))

    def _goes_on(self, place: int, *, colour: bool) -> bool:
        """Whether what was negated goes on after an "or", or an "and" before more of its kind."""
        joined = self._tokens[place : place + 1]
        following = self._tokens[place + 1 : place + 2]
        if not joined or joined[0].text not in {"or", "and"} or joined[0].after_break:
            return False
        if joined[0].text == "or":
            return True
        return (
            bool(following)
            and following[0].text not in GLUE
            and (bool(self._colour(place + 1)) == colour)
        )

    def _phrase(self, place: int, *, negated: bool) -> int:
        """How many words from here on are one name in a dictionary, and none of the catalogue."""
        from scenesearch.words.meaning import LONGEST, shipped_meaning

        words: list[str] = []
        for token in self._tokens[place : place + LONGEST]:
            if token.text in NEGATIONS or (words and token.after_break):
                break
            words.append(token.text)
        if len(words) < 2 or words[0] in GLUE:
            return 0
        length = shipped_meaning().longest(words)
        named = self._category(place)
        if length < 2 or (named is not None and named.length >= length):
            return 0
        if any(self._colour(one) for one in range(place, place + length)):
            return 0
        return length if negated or self._vocabulary.meant(" ".join(words[:length])) else 0

    def _is_negation(self, place: int) -> bool:
        token, following = self._tokens[place], self._tokens[place + 1 : place + 2]
        # "non-slip" is a word, "non-white" is not white; a negation at the end negates nothing
        tied = bool(following) and following[0].hyphen and self._colour(place + 1) is None
        return token.text in NEGATIONS and bool(following) and not tied

    def _take(self, found: _Found, place: int, *, negated: bool) -> None:
        if found.note:
            self.notes.append(found.note)
        if found.colour is not None:
            (self.not_colours if negated else self.colours).append(found.colour)
            words = [t for t in self._tokens[place : place + found.length] if t.text in _THINGS_TOO]
            if not negated:
                self.left += words
        if found.named is not None and negated:
            self.not_categories += [*found.named.categories, *found.named.kinds]
        elif found.named is not None:
            words = self._tokens[place : place + found.length]
            if self._before is not None and self._before[0] == place and not words[0].after_break:
                # of two names side by side the last is the thing, and the other says which
                _, start, categories, kinds = self._before
                del self.categories[categories:], self.kinds[kinds:]
                self._keep(start, place)
            begin = place
            while begin - 1 in self._left and not self._tokens[begin].after_break:
                begin -= 1
            if begin < place:
                said = " ".join(token.text for token in self._tokens[begin:place]) + " "
                self.compounds.append((said + " ".join(token.text for token in words), found.named))
            self._before = place + found.length, place, len(self.categories), len(self.kinds)
            self.categories += found.named.categories
            self.kinds += found.named.kinds
            self.things += [token.text for token in words]

    def _category(self, place: int) -> _Found | None:
        most = min(self._vocabulary.longest + 1, len(self._tokens) - place)
        for length in range(most, 0, -1):
            window = self._tokens[place : place + length]
            if any(token.text in GLUE for token in (window[0], window[-1])):
                continue
            stems = stems_of(token.text for token in window)
            note = ""
            named = self._vocabulary.named(stems)
            if named is None:
                near = self._corrected(stems)
                named = self._vocabulary.named(near) if near else None
                if near and named is not None:
                    said = " ".join(token.text for token in window)
                    note = f"'{said}' is read as '{' '.join(near)}'"
            if named is None:
                continue
            if any(token.after_break for token in window[1:]):
                # punctuation parts things, but "rug, flatwoven" is the name of one
                named = Named(tuple(c for c in named.categories if BREAK.search(c)), ())
                if not named.categories:
                    continue
            return _Found(length, named=named, note=note)
        return None

    def _corrected(self, stems: Stems) -> Stems | None:
        known = _colours()
        near = tuple(
            (None if word in known else self._vocabulary.near(word)) or word for word in stems
        )
        return near if near != stems else None

    def _colour(self, place: int) -> _Found | None:
        known = _colours()
        for length in range(min(_LONGEST_COLOUR, len(self._tokens) - place), 0, -1):
            window = self._tokens[place : place + length]
            if any(token.after_break for token in window[1:]):
                continue
            words = [token.text for token in window]
            name = known.get(" ".join(words)) or (_ISH.get(words[0]) if length == 1 else None)
            if name is None and length > 1 and words[0] in _SHADES:
                shade, rest = _SHADES[words[0]], " ".join(words[1:])
                name = known.get(f"{shade} {rest}".strip()) or known.get(rest)
            if name is None:
                continue
            after = self._tokens[place + length : place + length + 1]
            tied = bool(after) and after[0].text in _COLOUR_WORDS
            return _Found(length + tied, colour=known.get(name, name))
        return None


@cache
def _colours() -> dict[str, str]:
    names = {name.replace("-", " "): colour for name, colour in written_names().items()}
    return {name: colour for name, colour in names.items() if name not in _NO_COLOURS}


def _apart(wanted: list[str], unwanted: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both without repetition; what is in both is unwanted."""
    without = tuple(dict.fromkeys(unwanted))
    return tuple(value for value in dict.fromkeys(wanted) if value not in without), without
