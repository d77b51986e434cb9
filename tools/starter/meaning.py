"""The table of meanings: ``python -m tools.starter.meaning --wordnet FOLDER --model X ...``.

Reads Open English WordNet (``src/yaml`` of its repository) and a sentence model (MiniLM) as ONNX
with its ``tokenizer.json``. A word's row is what the model makes of the word alone, plus what it
makes of the synsets it is in (members and definition; where it names things, of those alone), plus
half of their hypernyms'; 128 principal directions of all rows; int8.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from scenesearch.models.embed.tower import normalise_rows

THINGS = (
    "noun.artifact",
    "noun.substance",
    "noun.food",
    "noun.object",
    "noun.plant",
    "noun.animal",
)
"""What a word that names one of these is moved towards; its other meanings are left out."""
DOMAINS = (
    *(*THINGS, "noun.Tops", "noun.attribute", "noun.shape", "adj.all"),
    *("noun.person", "noun.communication", "noun.body"),
)
KINDS = frozenset((*THINGS, "noun.Tops"))
COMMON_ONLY = frozenset(DOMAINS[-3:])
"""Of these only words that the sentence model's own vocabulary has."""
HYPERNYMS = 0.5
DIM = 128
Rows = NDArray[np.float32]


class Synset(NamedTuple):
    """Words of one meaning."""

    domain: str
    words: tuple[str, ...]
    definition: str
    hypernyms: tuple[str, ...]

    @property
    def text(self) -> str:
        """What the sentence model reads."""
        words = ", ".join(self.words)
        return f"{words}: {self.definition}" if self.domain.startswith("noun") else words


def read_synsets(folder: Path, common: frozenset[str]) -> dict[str, Synset]:
    """Those of the domains, by id."""
    found = {}
    for domain in DOMAINS:
        rows: dict[str, Any] = yaml.load(
            (folder / f"{domain}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader
        )
        for key, row in rows.items():
            # names of genera, people and places begin with a capital
            words = [w for w in row["members"] if re.fullmatch(r"[a-z][a-z' -]*", w)]
            if domain in COMMON_ONLY:
                words = [word for word in words if word in common]
            if words:
                definition = str((row.get("definition") or [""])[0])
                found[key] = Synset(
                    domain, tuple(words), definition, tuple(row.get("hypernym", ()))
                )
    return found


def vocabulary(synsets: Iterable[Synset], common: Iterable[str]) -> list[str]:
    """Every word, and every phrase that names a thing."""
    words = {w for one in synsets for w in one.words if one.domain == THINGS[0] or " " not in w}
    return sorted(words | set(common))


def rows(words: Sequence[str], alone: Rows, synsets: dict[str, Synset], read: Rows) -> Rows:
    """A row a word, of length 1, before it is made shorter.

    Args:
        words: sorted.
        alone: what the sentence model makes of each.
        synsets: by id.
        read: what it makes of each of them, in their order.
    """
    number = {key: i for i, key in enumerate(synsets)}
    senses: dict[str, list[tuple[str, Synset]]] = {}
    for key, one in synsets.items():
        for word in one.words:
            senses.setdefault(word, []).append((key, one))
    made = alone.copy()
    for i, word in enumerate(words):
        found = senses.get(word, [])
        things = [(key, one) for key, one in found if one.domain in KINDS] or found
        if things:
            made[i] += normalise_rows(read[[number[key] for key, _ in things]].sum(0)[None])[0]
        above = [number[h] for _, one in things for h in one.hypernyms if h in number]
        if above:
            made[i] += HYPERNYMS * normalise_rows(read[above].sum(0)[None])[0]
    return normalise_rows(made)


def shorten(made: Rows) -> NDArray[np.int8]:
    """Centred, along the main directions, in a byte a number."""
    centred = made - made.mean(axis=0)
    _, _, directions = np.linalg.svd(centred[::2], full_matrices=False)
    short = normalise_rows(centred @ directions[:DIM].T)
    return np.round(short / np.abs(short).max(axis=1, keepdims=True) * 127).astype(np.int8)


def save(words: Sequence[str], vectors: NDArray[np.int8], out: Path) -> None:
    """As .npz, without pickle."""
    text = np.frombuffer("\n".join(words).encode("utf-8"), np.uint8)
    # bytes that are nearly random: packing them costs every start, and gains a seventh
    np.savez(out, words=text, vectors=vectors)


class Sentences:
    """The sentence model: the mean of its tokens, of length 1."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        from scenesearch.models.onnx_runtime import quiet_session

        self._session = quiet_session(model)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(128)

    @property
    def common(self) -> frozenset[str]:
        """Whole words of its vocabulary."""
        return frozenset(w for w in self._tokenizer.get_vocab() if re.fullmatch(r"[a-z]{3,}", w))

    def __call__(self, texts: Sequence[str], batch: int = 128) -> Rows:
        """Shape (len(texts), 384)."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.zeros((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            read = self._tokenizer.encode_batch([texts[i] for i in part])
            ids = np.array([one.ids for one in read], np.int64)
            mask = np.array([one.attention_mask for one in read], np.int64)
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            (states,) = self._session.run(None, given)
            found[part] = (states * mask[..., None]).sum(1) / mask.sum(1)[:, None]
        return normalise_rows(found)


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of its .yaml files")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/meaning.npz"))
    wanted = parser.parse_args()
    sentences = Sentences(wanted.model, wanted.tokenizer)
    synsets = read_synsets(wanted.wordnet, sentences.common)
    words = vocabulary(synsets.values(), sentences.common)
    read = sentences([one.text for one in synsets.values()])
    save(words, shorten(rows(words, sentences(words), synsets, read)), wanted.out)
    print(f"{wanted.out}: {len(words)} words, {wanted.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
