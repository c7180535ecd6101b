"""Answers without any model, to hold the model's against."""

from __future__ import annotations

from collections import Counter, defaultdict

from engine.evaluation.tasks import Task, tokens
from engine.infill.copies import copies

ORDER = 5  # tokens in the longest n-gram: four of context and the next
_MOST_TOKENS = 64
STOP_RULE = (
    f"n-gram: counts of up to {ORDER} tokens over the file's own text, longest known context first, greedy; it ends "
    "at the newline where the hole lies in one line, before the text repeats the beginning of the suffix (of the rest "
    f"of the line: 3 characters, else 8), where no context is known, or after {_MOST_TOKENS} tokens."
)


def one_copy(task: Task) -> str:
    """What followed the longest earlier match of the text before the cursor."""
    found = copies(task.prefix, task.suffix_shown, [task.suffix], whole_lines=not task.one_line)
    return task.cut(found[0]) if found else ""


def n_gram(task: Task) -> str:
    """What the file's own n-grams continue with; `STOP_RULE` says where it ends."""
    prefix = tokens().encode(task.prefix)
    # The cursor may stand inside a token: its beginning is given back and demanded of the first new token.
    ids, demanded = prefix[:-1], tokens().decode(prefix[-1:])
    known = _count([ids, tokens().encode(task.suffix)])
    first = _next(known, ids, demanded)
    if first is None:
        ids, demanded, first = prefix, "", _next(known, prefix)
    start, text, new = len(ids), "", first
    while new is not None and len(ids) - start < _MOST_TOKENS:
        ids = [*ids, new]
        text = tokens().decode(ids[start:])[len(demanded) :]
        end = _end(task, text)
        if end is not None:
            return task.cut(text[:end].rstrip())
        new = _next(known, ids)
    return task.cut(text.rstrip())


def _count(texts: list[list[int]]) -> dict[tuple[int, ...], Counter[int]]:
    """What follows each context of 1 to `ORDER` - 1 tokens, and how often."""
    known: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for ids in texts:
        for at in range(1, len(ids)):
            for length in range(1, min(ORDER, at + 1)):
                known[tuple(ids[at - length : at])][ids[at]] += 1
    return known


def _next(known: dict[tuple[int, ...], Counter[int]], ids: list[int], demanded: str = "") -> int | None:
    """The most frequent token behind the longest known context, among those whose text starts with `demanded`."""
    for length in range(min(ORDER - 1, len(ids)), 0, -1):
        for token, _ in known.get(tuple(ids[-length:]), Counter[int]()).most_common():
            if tokens().pieces[token].startswith(demanded):
                return token
    return None


def _end(task: Task, text: str) -> int | None:
    """Where the text has to end, if it does."""
    rest_of_line = task.suffix_shown.split("\n", 1)[0].strip()
    ends = [text.find("\n")] if task.one_line and text.strip() else []
    key = rest_of_line[:3] or ("" if task.one_line else task.suffix.lstrip()[:8])
    if key:
        ends.append(text.find(key, 1))
    return min((end for end in ends if end >= 0), default=None)
