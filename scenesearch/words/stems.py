"""English words to a form in which singular and plural are the same, and near misses of it."""

from __future__ import annotations

_IRREGULAR = {
    "men": "man",
    "womens": "woman",
    "mens": "man",
    "childrens": "child",
    "women": "woman",
    "children": "child",
    "people": "person",
    "feet": "foot",
    "halves": "half",
    "leaves": "leaf",
    "loaves": "loaf",
    "wolves": "wolf",
}
# their singular is another word, an adjective as a rule
_PLURAL_ONLY = frozenset({"shorts", "tights", "briefs", "flats"})
_VES = {"shelves": "shelf", "knives": "knife", "scarves": "scarf"}


def stem(word: str) -> str:
    """A lower-case word without the ending of the plural; not always a word itself.

    >>> [stem(word) for word in ("shoes", "bookshelves", "benches", "hoodies", "glass", "vases")]
    ['shoe', 'bookshelf', 'bench', 'hoody', 'glass', 'vase']
    """
    word = word.removesuffix("'s")
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _PLURAL_ONLY or not word.isascii():
        return word
    for plural, singular in _VES.items():
        if word.endswith(plural):
            return word.removesuffix(plural) + singular
    # "hoodie" and "hoody" are written both ways, and both are "hoodies"
    for ending, other in (("ies", "y"), ("ie", "y")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending) + other
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith(("xes", "ches", "shes", "sses", "zzes")):
        return word[:-2]
    return word[:-1]


def forms(word: str) -> tuple[str, ...]:
    """A word, its singular and its plural, as an index that stems nothing may have them.

    >>> forms("handles")
    ('handles', 'handle')
    >>> forms("shelf")
    ('shelf', 'shelfs', 'shelves')
    """
    if not word.isascii() or not word.isalpha() or len(word) <= 2:
        return (word,)
    single = stem(word)
    if single != word:
        return (word, single)
    plurals = [plural for plural, singular in _VES.items() if word.endswith(singular)]
    many = [word[: -len(_VES[plural])] + plural for plural in plurals]
    ending = "es" if word.endswith(("s", "x", "ch", "sh")) else "s"
    return (word, word + ending, *many)


def one_edit(one: str, other: str) -> bool:
    """Whether two words differ by one letter more, less or other, or by two that are swapped.

    The restricted Damerau-Levenshtein distance is 1 (F. J. Damerau, CACM 1964). Slips are hardly
    ever in the first letter, and words that differ in it are mostly other words (table, stable),
    so it must be the same.

    >>> one_edit("wardrobe", "wardobe"), one_edit("chair", "chiar"), one_edit("table", "stable")
    (True, True, False)
    """
    if one == other or abs(len(one) - len(other)) > 1 or one[:1] != other[:1]:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    a, b = one[start:], other[start:]
    swapped = a[:2] == b[1::-1] and len(a) > 1 and len(b) > 1 and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped
