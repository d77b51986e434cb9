"""open_clip's own tokenizer as JSON of the library ``tokenizers``, which needs no torch."""

from __future__ import annotations

from typing import Any


def as_json(tokenizer: Any) -> str | None:
    """A tokenizer of open_clip in another library's words; None where it is one of a hub's.

    Normal form C, plain quotes, one space, lower case, then CLIP's byte pairs of the parts of its
    pattern. What its repair of broken encodings (ftfy) does beyond that is left out.

    Args:
        tokenizer: from ``open_clip.get_tokenizer``.
    """
    import open_clip
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    plain = isinstance(tokenizer, open_clip.SimpleTokenizer)
    if not plain or tokenizer.reduction_fn or tokenizer.clean_fn.__name__ != "_clean_lower":
        return None
    begin, end = tokenizer.sot_token_id, tokenizer.eot_token_id
    names = {number: name for name, number in tokenizer.encoder.items()}
    made = Tokenizer(
        models.BPE(
            vocab=tokenizer.encoder,
            merges=list(tokenizer.bpe_ranks),
            end_of_word_suffix="</w>",
        )
    )
    made.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex("[‘’ʼ]"), "'"),
            normalizers.Replace(Regex("[“”]"), '"'),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{names[begin]} $A {names[end]}",
        special_tokens=[(names[begin], begin), (names[end], end)],
    )
    made.enable_truncation(tokenizer.context_length)
    made.enable_padding(length=tokenizer.context_length, pad_id=0, pad_token=names[0])
    return str(made.to_str())
