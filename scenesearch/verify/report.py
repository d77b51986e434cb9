"""What was looked through, what was found, and what was done about it, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

SHOWN = 3
"""Examples in a finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        where: the collection or file.
        code: a stable name of its kind: ``unreadable``, ``record``, ``count``, ``vectors``,
            ``payload``, ``ids``, ``incomplete``, ``cache_differs``, ``index``, ``words``,
            ``search``, ``projection``, ``blob``, ``rows``, ``tables``, ``photo``, ``stranger``,
            ``older``, ``aside``.
        what: in words, with numbers and examples.
        damage: whether it is; False for what one should know.
        repaired: what was done about it; empty where nothing was, or nothing could be.
    """

    where: str
    code: str
    what: str
    damage: bool = True
    repaired: str = ""

    def mended(self, how: str) -> Finding:
        """The same, done with."""
        return replace(self, repaired=how)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of looking through one or several things.

    Attributes:
        checked: what was looked through and how much of it, a line each.
        findings: in the order they were met.
    """

    checked: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged, or everything that was is repaired."""
        return not any(one.damage and not one.repaired for one in self.findings)

    def __add__(self, other: Report) -> Report:
        return Report(self.checked + other.checked, self.findings + other.findings)


def some(names: Sequence[str]) -> str:
    """The first of some names, and how many there are beside them.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
