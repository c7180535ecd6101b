"""How a request becomes encoder tokens and a canvas.

The encoder reads the text up to the end of the line before the cursor's. The canvas holds the cursor's line
up to the cursor (the head, pinned), the gap, and the head of the suffix (pinned). Head and suffix are
tokenized apart from the rest, so that a cursor inside a word is ordinary, and typing on a line leaves the
encoder's tokens, and so the prefix cache, as they are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from tokenizers import Tokenizer

from engine.infill.calibration import Calibration
from engine.infill.ngram_cache import BREAK, NgramCache, Trust
from engine.protocol import FillRequest
from engine.weights.checkpoint import CheckpointError

SUFFIX_CHARACTERS = 40  # of the suffix, that the choice between candidates looks at
NGRAM_CHARACTERS = 40_000  # before and after the gap
_CUT_TOKENS = 128  # a context starts at a multiple of this: a keystroke seldom moves it, and the cache stays good


@dataclass(frozen=True, slots=True, kw_only=True)
class InfillShape:
    """How a checkpoint wants its canvases; the key `infill` of config.json.

    A checkpoint without that key is DiffusionGemma itself: uniform noise, no token for "nothing here", so
    that several gap lengths have to be tried.
    """

    noise: Literal["uniform", "mask"] = "uniform"
    mask_token_id: int = 0
    end_of_gap_token_id: int | None = None
    context_tokens: int = 4096
    head_tokens: int = 32
    gap_tokens: tuple[int, ...] = (6, 12, 24, 48)
    canvas_tokens: int = 128
    fim_token_ids: tuple[int, int] | None = None  # before the suffix and before the middle, if trained so
    languages: tuple[str, ...] = ()  # identifiers of those trained on; empty: not known, or all
    calibration: Calibration | None = None  # what makes of scores a confidence; None: the mean probability is taken
    ngram_trust: Trust | None = None  # how far the file's own n-grams are believed; None: not at all
    repository_trust: Trust | None = None  # the same of the repository that a checkpoint was fine-tuned on

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> InfillShape:
        """Read config.json. Raises `CheckpointError`."""
        own = config.get("infill")
        if own is None:
            return cls()
        try:
            fim, calibration = own.get("fim_token_ids"), own.get("calibration")
            trusts = {key: own[key] and Trust(**own[key]) for key in ("ngram_trust", "repository_trust") if key in own}
            shape = cls(
                **{
                    **own,
                    **trusts,
                    "gap_tokens": tuple(own["gap_tokens"]),
                    "fim_token_ids": fim and tuple(fim),
                    "languages": tuple(own.get("languages", ())),
                    "calibration": calibration and _calibration(calibration),
                }
            )
        except KeyError as error:
            raise CheckpointError(f"config.json: infill.{error.args[0]} is missing") from None
        except TypeError as error:
            raise CheckpointError(f"config.json: infill: {error}") from None
        if shape.noise not in ("uniform", "mask"):
            raise CheckpointError(f"config.json: infill.noise is {shape.noise!r}, not 'uniform' or 'mask'")
        return shape

    def denoises(self, request: FillRequest) -> bool:
        """Whether the gap is denoised: not while someone types on a line, if causal drafts find lines as well.

        They do in a model that was trained to fill in the middle causally too: of 600 held-out answers the shipped
        model's denoiser found one that causal drafts and copies had not, for a third of the time.
        """
        return self.fim_token_ids is None or not request.single_line or request.priority == "manual"

    def gaps(self, request: FillRequest) -> list[int]:
        """The gap lengths to try, in slots: one if the model can leave slots empty, else several."""
        fitting = [size for size in self.gap_tokens if size <= request.max_tokens] or [min(self.gap_tokens)]
        if self.end_of_gap_token_id is None:
            return fitting[:3] if request.single_line else fitting
        return [next((s for s in fitting if s >= 24), fitting[-1])] if request.single_line else [fitting[-1]]


def _calibration(values: dict[str, Any]) -> Calibration:
    """Raises `CheckpointError`, also for one that an earlier version wrote."""
    try:
        return Calibration(**values)
    except TypeError:
        raise CheckpointError("config.json: infill.calibration is of an earlier form: fine-tune again") from None


@dataclass(frozen=True, slots=True)
class Layout:
    """One request, laid out: token ids, and the texts the drafts and the choice work on."""

    context: list[int]
    head: list[int]
    suffix: list[int]
    prefix_text: str  # both texts whole, with "\n" line ends
    suffix_text: str
    head_text: str  # the text of `head`: the cursor's line up to it, with the newline that starts it
    indent: int  # columns before the code of the cursor's line


class Tokens:
    """The tokenizer of a checkpoint, as the layout needs it."""

    def __init__(self, tokenizer: Tokenizer, stop_ids: tuple[int, ...]) -> None:
        tokenizer.encode_special_tokens = True  # a literal "<mask>" in the user's code is five characters
        self.tokenizer, self.stop_ids = tokenizer, stop_ids
        self.bos = self._id("<bos>")
        self.turn, self.end_turn = self._id("<|turn>"), self._id("<turn|>")
        self.encode_kept = lru_cache(maxsize=16)(self.encode)  # for the same long text at every keystroke
        self.spelling = lru_cache(maxsize=256)(self._spelling)

    def _id(self, token: str) -> int | None:
        found: int | None = self.tokenizer.token_to_id(token)
        return found

    @cached_property
    def pieces(self) -> list[str]:
        """The text of every token, by id."""
        return [self.decode([i]) for i in range(self.tokenizer.get_vocab_size())]

    @cached_property
    def special_ids(self) -> list[int]:
        """The tokens that stand for no text."""
        return [i for i, piece in enumerate(self.pieces) if not piece]

    @cached_property
    def _by_text(self) -> tuple[list[str], list[int]]:
        """The texts of all tokens that have one, in order, and their ids."""
        ordered = sorted((piece, i) for i, piece in enumerate(self.pieces) if piece)
        return [piece for piece, _ in ordered], [i for _, i in ordered]

    def encode(self, text: str) -> list[int]:
        """The ids of plain text; never a special token."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _spelling(self, text: str) -> list[int]:
        """The ids whose text starts with `text`, or is a beginning of it."""
        texts, ids = self._by_text
        longer = range(bisect_left(texts, text), bisect_right(texts, text, key=lambda piece: piece[: len(text)]))
        beginnings = (text[:end] for end in range(1, len(text)))
        shorter = (range(bisect_left(texts, begin), bisect_right(texts, begin)) for begin in beginnings)
        return [ids[place] for places in (longer, *shorter) for place in places]

    def decode(self, ids: list[int]) -> str:
        """The text of ids; special tokens are left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))


def lay_out(request: FillRequest, tokens: Tokens, shape: InfillShape) -> Layout:
    """Lay a request out for a model."""
    prefix, suffix_text = _plain(request.prefix), _plain(request.suffix)
    before, line = _split_line(_recent(prefix, shape.context_tokens))
    head = tokens.encode(line)[-shape.context_tokens // 2 :]  # of an endless line, the end
    extra = max(0, len(head) - shape.head_tokens)
    opening = _opening(request, tokens, suffix_text)
    room = shape.context_tokens - len(opening) - extra
    context = opening + _fit(tokens.encode(before), max(room, _CUT_TOKENS)) + head[:extra]
    suffix = tokens.encode(suffix_text[: 8 * shape.canvas_tokens])
    if len(suffix_text) <= 4 * shape.canvas_tokens and shape.end_of_gap_token_id is not None:
        suffix = [*suffix, tokens.stop_ids[0]]  # the end of the document is in sight
    head_text = tokens.decode(head[extra:]) if extra else line
    indent = len(line.lstrip("\n")) - len(line.lstrip())
    return Layout(context, head[extra:], suffix, prefix, suffix_text, head_text, indent)


def ngrams(
    request: FillRequest, layout: Layout, tokens: Tokens, trust: Trust, repository: NgramCache | None
) -> NgramCache:
    """The n-grams of the file around the gap and of the related snippets, above those of the repository.

    Without the start of the suffix, which has to be as likely behind one candidate as behind another.
    """
    before = layout.prefix_text[: len(layout.prefix_text) - len(layout.head_text)][-NGRAM_CHARACTERS:]
    after = layout.suffix_text[SUFFIX_CHARACTERS:NGRAM_CHARACTERS]
    ids = [*tokens.encode_kept(before), *layout.head[:-1]]
    for text in (after, *(snippet.text for snippet in request.related)):
        ids += [BREAK, *tokens.encode_kept(text)]
    return NgramCache(ids, trust, below=repository)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _recent(prefix: str, context_tokens: int) -> str:
    """The end of a long prefix: at least 6 characters for each token of context, from the start of a line.

    The start moves in steps, for the sake of the cache.
    """
    step = 2 * context_tokens
    excess = len(prefix) - 8 * context_tokens
    if excess <= 0:
        return prefix
    start = -(-excess // step) * step
    newline = prefix.find("\n", start)
    return prefix[newline if start <= newline < len(prefix) - 4 * context_tokens else start :]


def _split_line(prefix: str) -> tuple[str, str]:
    """The prefix before the cursor's line, and that line with the newline that starts it."""
    start = max(prefix.rfind("\n"), 0)
    return prefix[:start], prefix[start:]


def _fit(ids: list[int], room: int) -> list[int]:
    """The last of the ids that fit, dropping whole steps of `_CUT_TOKENS`."""
    excess = len(ids) - room
    return ids if excess <= 0 else ids[-(-excess // _CUT_TOKENS) * _CUT_TOKENS :]


def _opening(request: FillRequest, tokens: Tokens, suffix: str) -> list[int]:
    """What stands before the prefix: `<bos>`, or for a chat model the turn in which it is asked to write.

    The suffix goes into the user's turn and the prefix into the model's open code fence, so that typing
    appends to the context. A full sentence: terse orders make DiffusionGemma answer nothing.
    """
    start = [] if tokens.bos is None else [tokens.bos]
    if tokens.turn is None or tokens.end_turn is None:
        return start
    related = "".join(f"From {s.path}:\n{s.text}\n\n" for s in request.related)
    ask = (
        f"user\n{related}This is the end of the file {request.path or 'I am editing'}:\n{suffix[:2000]}\n\n"
        "Please write the whole file from its beginning, so that it continues into that end."
    )
    answer = f"model\nHere is the file.\n```{request.language}\n"
    return [
        *start,
        tokens.turn,
        *tokens.encode(ask),
        tokens.end_turn,
        *tokens.encode("\n"),
        tokens.turn,
        *tokens.encode(answer),
    ]
