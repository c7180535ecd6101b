"""The fill-in-the-middle form that a checkpoint was trained to read causally."""

from __future__ import annotations

from dataclasses import dataclass

from engine.infill.tokens import Tokens

_NAMES = (  # before the prefix, the suffix and the middle
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen2.5-Coder, arXiv:2409.12186
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, arXiv:2305.06161
    ("<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"),  # DeepSeek-Coder
    ("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),  # Code Llama, arXiv:2308.12950
)
_ENDS = ("<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|im_end|>", "<file_sep>", "\u2581<EOT>")


@dataclass(frozen=True, slots=True, kw_only=True)
class FimForm:
    """Token ids of the form: [prefix] P [suffix] S [middle] M [one of ends].

    `suffix_tokens` is how much of the suffix is shown. `repository` and `file` begin a repository's name and a file's
    path, where the model was trained on several files together.
    """

    prefix: int | None
    suffix: int
    middle: int
    ends: tuple[int, ...]
    suffix_tokens: int
    repository: int | None = None
    file: int | None = None

    @classmethod
    def of_tokenizer(cls, tokens: Tokens, suffix_tokens: int) -> FimForm | None:
        """Returns the form whose tokens a tokenizer has; None when it has none."""
        for names in _NAMES:
            ids = [tokens.id_of(name) for name in names]
            if all(i is not None for i in ids):
                prefix, suffix, middle = (i for i in ids if i is not None)
                ends = {*tokens.stop_ids, *(i for name in _ENDS if (i := tokens.id_of(name)) is not None)}
                return cls(
                    prefix=prefix,
                    suffix=suffix,
                    middle=middle,
                    ends=tuple(sorted({*ends, prefix, suffix})),
                    suffix_tokens=suffix_tokens,
                    repository=tokens.id_of("<|repo_name|>"),
                    file=tokens.id_of("<|file_sep|>"),
                )
        return None
