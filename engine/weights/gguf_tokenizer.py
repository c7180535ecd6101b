"""The tokenizer that the metadata of a GGUF file describes."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

from engine.weights.checkpoint import CheckpointError
from engine.weights.gguf_header import Header

_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # types of tokens that are never cut into pieces; the last is not special
_SPACE = "▁"  # a space, as SentencePiece spells it

_QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3_SPLIT = _QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_SPLITS = {"qwen2": _QWEN2_SPLIT, "llama-bpe": _LLAMA3_SPLIT, "llama3": _LLAMA3_SPLIT, "llama-v3": _LLAMA3_SPLIT}


def build_tokenizer(header: Header) -> Tokenizer:
    """Builds the tokenizer. Raises `CheckpointError` for a kind that is not supported."""
    model = header.text("tokenizer.ggml.model")
    if model == "gpt2":
        tokenizer = _byte_level(header)
    elif model == "llama":
        tokenizer = _sentencepiece(header)
    else:
        raise CheckpointError(f"{header.path} has a tokenizer of kind {model}; only gpt2 and llama are supported")
    tokenizer.add_tokens(list(_whole_tokens(header)))
    _add_beginning(tokenizer, header)
    return tokenizer


def _byte_level(header: Header) -> Tokenizer:
    """Builds a BPE tokenizer over bytes, as GPT-2 had first."""
    kind = header.text("tokenizer.ggml.pre")
    if kind not in _SPLITS:
        raise CheckpointError(
            f"{header.path} has a tokenizer that splits text as {kind}; only {', '.join(_SPLITS)} are supported"
        )
    llama3 = kind != "qwen2"  # it takes words that the vocabulary has as they are
    tokenizer = Tokenizer(_bpe(header, _listed_merges(header), ignore_merges=llama3))
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLITS[kind]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _listed_merges(header: Header) -> list[tuple[str, str]]:
    merges = []
    for merge in header.entries("tokenizer.ggml.merges", str):
        left, space, right = merge.partition(" ")
        if not space:
            raise CheckpointError(f"{header.path}: merge {merge!r} is not a pair of tokens; download the model again")
        merges.append((left, right))
    return merges


def _bpe(header: Header, merges: list[tuple[str, str]], **options: bool) -> BPE:
    vocabulary = {token: index for index, token in enumerate(header.tokens()[0])}
    try:
        return BPE(vocabulary, merges, **options)
    except Exception as error:  # tokenizers raises nothing narrower
        raise CheckpointError(f"{header.path} has a tokenizer that cannot be built: {error}") from None


def _sentencepiece(header: Header) -> Tokenizer:
    """Builds a BPE tokenizer over characters, as SentencePiece has it; unknown characters become bytes."""
    tokens = header.tokens()[0]
    scores = header.entries("tokenizer.ggml.scores", float)
    if len(scores) != len(tokens):
        raise CheckpointError(f"{header.path}: {len(scores)} scores for {len(tokens)} tokens; download the model again")
    tokenizer = Tokenizer(_bpe(header, _scored_merges(tokens, scores), fuse_unk=True, byte_fallback=True))
    prefixed = header.value("tokenizer.ggml.add_space_prefix", True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(_SPACE, "first" if prefixed else "never", split=False)
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefixed else steps)
    return tokenizer


def _scored_merges(tokens: list[str], scores: list[float]) -> list[tuple[str, str]]:
    """Returns every pair of tokens that makes a third, the one of the highest score first."""
    vocabulary = {token: index for index, token in enumerate(tokens)}
    found = []
    for token, index in vocabulary.items():
        pairs = [(token[:at], token[at:]) for at in range(1, len(token))]
        known = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
        found += [(scores[index], pair) for pair in sorted(known, key=lambda pair: vocabulary[pair[0]])]
    found.sort(key=lambda item: (item[0], len(item[1][0]), len(item[1][1])), reverse=True)
    return [pair for _, pair in found]


def _whole_tokens(header: Header) -> Iterator[AddedToken]:
    """Yields the tokens that are never cut into pieces."""
    special = {_CONTROL, _UNKNOWN} if header.text("tokenizer.ggml.model") == "llama" else {_CONTROL}
    for token, kind in zip(*header.tokens(), strict=True):
        if kind in special or kind == _USER_DEFINED:
            yield AddedToken(token, normalized=False, special=kind in special)


def _add_beginning(tokenizer: Tokenizer, header: Header) -> None:
    """Lets texts begin with the beginning-of-text token, where the file says so."""
    default = header.text("tokenizer.ggml.model") == "llama"
    if not header.value("tokenizer.ggml.add_bos_token", default):
        return
    index = header.value("tokenizer.ggml.bos_token_id")
    token = header.tokens()[0][index]
    tokenizer.post_processor = processors.TemplateProcessing(f"{token}:0 $A:0", special_tokens=[(token, index)])
