"""Words as numbers by the library ``tokenizers``: of an export, or of a model hub's own files.

open_clip reads a hub's tokenizer through another library, which asks the network. The same file,
``tokenizer.json``, is read here, with open_clip's cleaning of texts before it.
"""

from __future__ import annotations

import html
import json
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError
from scenesearch.models.load_errors import one_line

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"
_QUOTES = {
    **dict.fromkeys(map(ord, "\u02bc\u2018\u2019\u201a\u201b"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f"), '"'),
}
"""Curled quotes are plain ones to open_clip's models (the library ftfy, ``uncurl_quotes``)."""
_CONTEXT = 77
"""open_clip's own, of a config that names none."""


def numbers_of(tokenizer: str) -> Callable[[Sequence[str]], NDArray[np.int64]]:
    """Texts to numbers, shape (n, context).

    Args:
        tokenizer: JSON, padding and cutting to the context.
    """
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer)

    def numbers(texts: Sequence[str]) -> NDArray[np.int64]:
        # as open_clip cleans texts, some of which come out of pages
        straight = [text.translate(_QUOTES) for text in texts]
        plain = [html.unescape(html.unescape(text)).strip() for text in straight]
        return np.array([one.ids for one in made.encode_batch(plain)], np.int64)

    return numbers


def hub_tokenizer(folder: Path, text: Mapping[str, Any]) -> str | None:
    """The tokenizer in a folder, cleaning, padding and cutting as open_clip does with it.

    Args:
        folder: with ``tokenizer.json``, and ``tokenizer_config.json`` beside it.
        text: open_clip's config of the text tower.

    Returns:
        JSON; None where the files are not there, or texts are cleaned in a way that is not known.

    Raises:
        ModelLoadError: a file is damaged.
    """
    from tokenizers import Tokenizer, normalizers

    words, settings = folder / TOKENIZER, folder / SETTINGS
    cleaning = _cleaning(text.get("tokenizer_kwargs", {}).get("clean", "whitespace"))
    if cleaning is None or not words.is_file() or not settings.is_file():
        return None
    try:
        made = Tokenizer.from_str(words.read_text(encoding="utf-8"))
        pad = json.loads(settings.read_text(encoding="utf-8"))["pad_token"]
        name = str(pad["content"] if isinstance(pad, dict) else pad)
        number = made.token_to_id(name)
        if number is None:
            raise ValueError(f"its padding {name!r} is no word of it")  # noqa: TRY301
    except Exception as error:  # tokenizers raises that very class
        raise ModelLoadError(
            f"{words}: the tokenizer and its {SETTINGS} cannot be used: {one_line(error)}; fetch "
            f"the model again"
        ) from error
    steps = [*cleaning, *([made.normalizer] if made.normalizer is not None else [])]
    made.normalizer = normalizers.Sequence(steps)
    context = int(text.get("context_length", _CONTEXT))
    made.enable_truncation(context)
    made.enable_padding(length=context, pad_id=number, pad_token=name)
    return str(made.to_str())


def _cleaning(name: str) -> list[Any] | None:
    """open_clip's ways to clean a text, in the library's words."""
    from tokenizers import Regex, normalizers

    spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if name == "whitespace":
        return spaces
    if name == "lower":
        return [*spaces, normalizers.Lowercase()]
    if name == "canonicalize":
        marks = "".join(f"\\x{ord(mark):02x}" for mark in string.punctuation if mark != "_")
        return [
            normalizers.Replace("_", " "),
            normalizers.Replace(Regex(f"[{marks}]"), ""),
            normalizers.Lowercase(),
            *spaces,
        ]
    return None
