"""What the model said already: asked again, or typed on into, it is answered from here."""

from __future__ import annotations

from dataclasses import replace

from dg_lsp.completion.fill import Filled
from dg_lsp.completion.filters.brackets import closer_at
from engine.protocol import Candidate, FillRequest

_KEPT = 100
_OPENERS = {")": "(", "]": "[", "}": "{", '"': '"', "'": "'", "`": "`"}


class Known:
    """The answers to the last 100 requests, by document and by what the model saw of it."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, FillRequest], Filled] = {}  # the one used last comes last

    def keep(self, uri: str, request: FillRequest, filled: Filled) -> None:
        """Keep an answer. One that its deadline cut short answers only what is typed on into it."""
        key = uri, request if filled.finish_reason == "deadline" else _whole(request)
        self._answers.pop(key, None)
        self._answers[key] = filled
        if len(self._answers) > _KEPT:
            del self._answers[next(iter(self._answers))]

    def find(self, uri: str, request: FillRequest) -> Filled | None:
        """What is known for a request: its own answer, which may be nothing, or an earlier one typed on into.

        A request by hand gets only its own.
        """
        key = uri, _whole(request)
        if (filled := self._answers.pop(key, None)) is not None:
            self._answers[key] = filled
            return filled
        if request.priority == "manual":
            return None
        there = [answer for answer in reversed(self._answers.items()) if answer[0][0] == uri]
        earlier = (rest(asked, filled, request) for (_, asked), filled in there if asked.prefix != request.prefix)
        return next(filter(None, earlier), None)

    def forget(self, uri: str) -> None:
        """Forget a document that is not open any more."""
        self._answers = {key: filled for key, filled in self._answers.items() if key[0] != uri}


def rest(asked: FillRequest, filled: Filled, now: FillRequest) -> Filled | None:
    """What is left of an answer where the cursor stands now; None when the text typed since agrees with no candidate.

    The text before the cursor and a candidate together stay what they were, and so does the text after it, but for
    brackets and quotes that the editor closed: there a candidate goes as far as it would close them itself. A
    candidate that was typed or accepted to its end is not gone on with by another one. What is left is nothing, too,
    when the best of it is not sure enough to be shown automatically.
    """
    if not at_place(asked, now):
        return None
    closed = now.suffix[: len(now.suffix) - len(asked.suffix)]
    typed = now.prefix[len(asked.prefix) :]
    if any(candidate.middle == typed for candidate in filled.candidates):
        return None
    left = (_without(typed, closed, candidate, now.language) for candidate in filled.candidates)
    candidates = tuple(candidate for candidate in left if candidate and candidate.middle.strip())
    sure = candidates and candidates[0].confidence >= filled.threshold
    return replace(filled, candidates=candidates) if sure else None


def at_place(asked: FillRequest, now: FillRequest) -> bool:
    """Whether a request is made at the place of an earlier one of its document, or behind what was typed there.

    The editor may have closed behind the cursor what was opened by what was typed.
    """
    if not (now.prefix.startswith(asked.prefix) and now.suffix.endswith(asked.suffix)):
        return False
    typed, closed = now.prefix[len(asked.prefix) :], now.suffix[: len(now.suffix) - len(asked.suffix)]
    return now.language == asked.language and all(closer in _OPENERS and _OPENERS[closer] in typed for closer in closed)


def _without(typed: str, closed: str, candidate: Candidate, language: str) -> Candidate | None:
    """The candidate behind what was typed, up to where it closes what is closed already; None if it never does."""
    if not candidate.middle.startswith(typed):
        return None
    left = candidate.middle[len(typed) :]
    end = closer_at(left, closed[0], language) if closed else len(left)
    return None if end is None else replace(candidate, middle=left[:end])


def _whole(request: FillRequest) -> FillRequest:
    """The request as the model sees it: it knows no deadline."""
    return replace(request, deadline_ms=None)
