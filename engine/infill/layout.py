"""How a request becomes encoder tokens and a canvas.

The encoder reads the text up to the end of the line before the cursor's. The canvas holds the cursor's line
up to the cursor (the head, pinned), the gap, and the head of the suffix (pinned). Head and suffix are
tokenized apart from the rest, so that a cursor inside a word is ordinary, and typing on a line leaves the
encoder's tokens, and so the prefix cache, as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.infill.checkpoint_options import InfillShape
from engine.infill.effort import SUFFIX_CHARACTERS
from engine.infill.fim import FimForm
from engine.infill.ngram_cache import BREAK, NgramCache, Trust
from engine.infill.tokens import Tokens
from engine.protocol import FillRequest

NGRAM_CHARACTERS = 40_000  # before and after the gap
_SNIPPET_TOKENS = 256  # of one related snippet
_CUT_TOKENS = 128  # a context starts at a multiple of this: a keystroke seldom moves it, and the cache stays good


@dataclass(frozen=True, slots=True)
class Layout:
    """One request, laid out: token ids, and the texts the drafts and the choice work on."""

    context: list[int]
    head: list[int]
    suffix: list[int]
    prefix_text: str  # both texts whole, with "\n" line ends
    suffix_text: str
    head_text: str  # the text of `head`: the cursor's line up to it, with the newline that starts it
    chat: list[int]  # the context as a chat, for lines that a model is better asked for than infilling


def lay_out(request: FillRequest, tokens: Tokens, shape: InfillShape) -> Layout:
    """Lay a request out for a model."""
    request = with_newlines(request)
    prefix, suffix_text = request.prefix, request.suffix
    before, line = _split_line(_recent(prefix, shape.context_tokens), shape.newline_in_head)
    head = tokens.encode(line)[-shape.context_tokens // 2 :]  # of an endless line, the end
    extra = max(0, len(head) - shape.head_tokens)
    opening = _opening(request, tokens, suffix_text, shape)
    room = shape.context_tokens - len(opening) - extra
    context = opening + _fit(tokens.encode(before), max(room, _CUT_TOKENS)) + head[:extra]
    suffix = tokens.encode(suffix_text[: 8 * shape.canvas_tokens])
    if len(suffix_text) <= 4 * shape.canvas_tokens and shape.end_of_gap_token_id is not None:
        suffix = [*suffix, tokens.stop_ids[0]]  # the end of the document is in sight
    head_text = tokens.decode(head[extra:]) if extra else line
    chat: list[int] = []
    wants_lines = not request.single_line and request.priority == "manual"
    if shape.chat and shape.fim and wants_lines:  # it costs a second prompt
        chat = [*shape.chat.opening(request, tokens, suffix_text), *context[len(opening) :]]
    return Layout(context, head[extra:], suffix, prefix, suffix_text, head_text, chat)


def with_newlines(request: FillRequest) -> FillRequest:
    """The request with "\\n" for each line ending of its texts."""

    def plain(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\r", "\n")

    related = tuple(replace(snippet, text=plain(snippet.text)) for snippet in request.related)
    return replace(request, prefix=plain(request.prefix), suffix=plain(request.suffix), related=related)


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


def _split_line(prefix: str, newline_in_head: bool) -> tuple[str, str]:
    """The prefix before the cursor's line, and that line, with the newline that starts it or without."""
    start = max(prefix.rfind("\n"), 0) if newline_in_head else prefix.rfind("\n") + 1
    return prefix[:start], prefix[start:]


def _fit(ids: list[int], room: int) -> list[int]:
    """The last of the ids that fit, dropping whole steps of `_CUT_TOKENS`."""
    excess = len(ids) - room
    return ids if excess <= 0 else ids[-(-excess // _CUT_TOKENS) * _CUT_TOKENS :]


def _opening(request: FillRequest, tokens: Tokens, suffix: str, shape: InfillShape) -> list[int]:
    """What stands before the prefix: `<bos>`, then other files, or the chat in which the model is asked to write."""
    start = [] if tokens.bos is None else [tokens.bos]
    if shape.fim and shape.fim.prefix is not None:
        return [*start, *_other_files(request, tokens, shape.fim), shape.fim.prefix]
    return [*start, *shape.chat.opening(request, tokens, suffix)] if shape.chat else start


def _other_files(request: FillRequest, tokens: Tokens, fim: FimForm) -> list[int]:
    """The related snippets as files of a repository, and the current file's path behind them."""
    if fim.file is None or fim.repository is None or not request.related:
        return []
    ids = [fim.repository, *tokens.encode("repository\n")]
    for snippet in request.related:
        ids += [fim.file, *tokens.encode(f"{snippet.path}\n{snippet.text}\n")[:_SNIPPET_TOKENS]]
    return [*ids, fim.file, *tokens.encode(f"{request.path or 'current'}\n")]
