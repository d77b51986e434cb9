"""The ways to say what is not wanted, as the one that is read: "without"."""

from __future__ import annotations

import re

_WITHOUT = re.compile(
    r"\bw/o\b|\bsans\b|\blacking\b|\bdevoid of\b|\bfree (?:of|from)\b"
    r"|\bnothing (?:in|with|of|made of|that is)\b"
    r"|\b(?:are|is|was|were|do|does|did|wo|ca)n['’]?t\b(?: (?:have|has|want|need|like|be)\b)?"
    r"|\b(?:any|every|all) colou?rs? (?:but|besides|except|other than)\b"
    r"|\b(?:(?:every|any)thing|all|any)\s+(?:but|besides|except|other than)\b"
    r"|\b(?:other|rather|different) (?:than|from)\b|\binstead of\b|\bin place of\b"
    r"|\b(?:apart|aside) from\b|\bbesides\b"
)
_FREE = re.compile(r"\b(?!tax|duty|hands|barrier)([a-z]+)[ -]free\b(?![ -](?:standing|range))")
_RATHER = re.compile(r"\brather ([a-z]+) than\b")
# what a thing is, not what it has not: "non slip rug", "no iron shirt"
_COMPOUND = re.compile(
    r"\b(no|non) (slip|skid|stick|iron|show|sew|drill|dig|tie|pull|touch|toxic|woven|scratch|tip"
    r"|spill|rust|glare|marking|shedding|crease|wrinkle|fuss|flammable|absorbent|abrasive)\b"
)
# how many, and not what: "set of 4 chairs"
_COUNT = re.compile(r"\b(?:sets?|pairs?|packs?) of (?:\d+ )?(?=[^\W\d_]{3,})")


def plain_negations(text: str) -> str:
    """A text in lower case in which every negation is a word that is read as one.

    >>> plain_negations("everything but sofas"), plain_negations("leather-free chair")
    ('without sofas', 'without leather chair')
    >>> plain_negations("non slip rug w/o fringes")
    'non-slip rug without fringes'
    """
    text = _COUNT.sub("", text)
    text = _COMPOUND.sub(r"\1-\2", text)
    text = _RATHER.sub(r"\1 without", text)
    return _FREE.sub(r"without \1", _WITHOUT.sub("without", text))
