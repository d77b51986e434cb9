"""A hub's tokenizer, read without the library that would ask the network for it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scenesearch.core.errors import ModelLoadError
from scenesearch.models.embed.hub_words import hub_tokenizer, numbers_of

VOCAB = [
    *(("<unk>", 0.0), ("</s>", 0.0), ("▁a", -1.0), ("▁red", -2.0), ("▁sofa", -2.0)),
    *(("▁", -3.0), *((letter, -5.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789é,.'-_!")),
]


def write_tokenizer(folder, pad="</s>"):
    """As SigLIP's: pieces of words, an end, and nothing that pads by itself."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.Unigram(VOCAB, unk_id=0))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}))
    return made


TEXT = {
    "context_length": 8,
    "hf_tokenizer_name": "maker/model",
    "tokenizer_kwargs": {"clean": "canonicalize"},
}


def test_words_are_cleaned_padded_and_cut(tmp_path):
    made = write_tokenizer(tmp_path)
    numbers = numbers_of(hub_tokenizer(tmp_path, TEXT))

    found = numbers(["A red, red SOFA!", "a" * 30])

    assert found.shape == (2, 8)
    assert found[0].tolist() == [*made.encode("a red red sofa").ids, 1, 1, 1]
    # cut, with its end
    assert found[1][-1] == 1


@pytest.mark.models
@pytest.mark.parametrize(
    "text",
    [
        "A Red_Sofa!",
        "two  spaces\tand\nlines",
        "it's; &amp;amp; (café) - No.1",
        "",
        "__",
        "É–é “x”",
    ],
)
@pytest.mark.parametrize("clean", ["canonicalize", "whitespace", "lower"])
def test_texts_are_cleaned_as_open_clip_cleans_them(tmp_path, text, clean):
    from open_clip.tokenizer import get_clean_fn

    made = write_tokenizer(tmp_path)
    numbers = numbers_of(hub_tokenizer(tmp_path, {**TEXT, "tokenizer_kwargs": {"clean": clean}}))
    expected = made.encode(get_clean_fn(clean)(text)).ids

    got = numbers([text])[0].tolist()

    # the rest is padded, or cut
    assert got[: len(expected)][:7] == expected[:7]


def test_a_pad_may_be_written_with_more_about_it(tmp_path):
    write_tokenizer(tmp_path, {"content": "</s>", "lstrip": False})

    assert numbers_of(hub_tokenizer(tmp_path, TEXT))(["a"]).tolist() == [[2, 1, 1, 1, 1, 1, 1, 1]]


def test_without_the_files_there_is_none(tmp_path):
    assert hub_tokenizer(tmp_path, TEXT) is None
    write_tokenizer(tmp_path)
    assert hub_tokenizer(tmp_path, {**TEXT, "tokenizer_kwargs": {"clean": "other"}}) is None


@pytest.mark.parametrize("pad", ["gone", None, []])
def test_a_damaged_tokenizer_is_said(tmp_path, pad):
    write_tokenizer(tmp_path, pad)

    with pytest.raises(ModelLoadError, match="fetch the model again"):
        hub_tokenizer(tmp_path, TEXT)


def test_numbers_are_whole(tmp_path):
    write_tokenizer(tmp_path)

    assert numbers_of(hub_tokenizer(tmp_path, TEXT))(["x"]).dtype == np.int64
