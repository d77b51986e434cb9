"""What a dictionary says things are: ``python -m tools.starter.relations --wordnet FOLDER``.

Reads Open English WordNet (``src/yaml`` of its repository): the names of every made thing, which of
its meanings is the usual one, and what is directly above each meaning. No model.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

DOMAIN = "noun.artifact"
LAST = 99
"""The place of a meaning that a word's entry does not list."""


def read_things(folder: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Names and what is directly above, of every meaning that is a made thing, by id."""
    rows: dict[str, Any] = _read(folder / f"{DOMAIN}.yaml")
    return {
        key: (
            [w.lower().replace("-", " ") for w in row["members"]],
            [above for above in row.get("hypernym", ()) if above in rows],
        )
        for key, row in rows.items()
    }


def read_places(folder: Path) -> dict[tuple[str, str], int]:
    """Which of a noun's meanings each is, 0 the usual one, by word and meaning."""
    places: dict[tuple[str, str], int] = {}
    for path in sorted(folder.glob("entries-*.yaml")):
        for word, entry in _read(path).items():
            name = str(word).lower().replace("-", " ")
            for part, said in entry.items():
                for place, sense in enumerate(said.get("sense", ()) if part[0] == "n" else ()):
                    known = places.get((name, sense["synset"]), LAST)
                    places[name, sense["synset"]] = min(place, known)
    return places


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return found


def beneath(above: Mapping[str, Sequence[str]]) -> Counter[str]:
    """How many meanings lie under each, at any depth, itself one of them."""
    counts: Counter[str] = Counter()
    for key in above:
        met, pending = {key}, [key]
        while pending:
            fresh = [one for one in above[pending.pop()] if one not in met]
            met.update(fresh)
            pending += fresh
        counts.update(met)
    return counts


def rows_of(lists: Iterable[Sequence[int]], kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lists as one array, and where each begins (and the last ends)."""
    every = list(lists)
    ends = np.cumsum([0, *map(len, every)], dtype=np.uint32)
    return ends, np.array([one for row in every for one in row], kind)


def save(
    things: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    places: Mapping[tuple[str, str], int],
    out: Path,
) -> int:
    """Write the file; how many words it has."""
    number = {key: i for i, key in enumerate(sorted(things))}
    senses: dict[str, list[tuple[int, int]]] = {}
    for key, place in number.items():
        for word in things[key][0]:
            if re.fullmatch(r"[a-z0-9' ]+", word):
                senses.setdefault(word, []).append((places.get((word, key), LAST), place))
    words = sorted(senses)
    counts = beneath({key: above for key, (_, above) in things.items()})
    first, meanings = rows_of(([i for _, i in sorted(senses[w])] for w in words), "<u2")
    begin, above = rows_of(([number[h] for h in things[key][1]] for key in number), "<u2")
    np.savez_compressed(
        out,
        words=np.frombuffer("\n".join(words).encode("utf-8"), np.uint8),
        first=first,
        meanings=meanings,
        begin=begin,
        above=above,
        beneath=np.array([min(counts[key], 65535) for key in number], "<u2"),
    )
    return len(words)


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of its .yaml files")
    parser.add_argument("--out", type=Path, default=Path("models/relations.npz"))
    wanted = parser.parse_args()
    words = save(read_things(wanted.wordnet), read_places(wanted.wordnet), wanted.out)
    print(f"{wanted.out}: {words} words, {wanted.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
