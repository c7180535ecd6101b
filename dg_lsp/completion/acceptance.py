"""Whether what was offered is taken, seen from the edits that follow: editors do not tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lsprotocol import types

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole

Kind = Literal["full", "line", "word"]

_KINDS: tuple[Kind, ...] = ("word", "line", "full")
_PAIRS = ("()", "[]", "{}", '""', "''", "``")
_REMEMBERED = 50
_ENOUGH = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one offer: the most that was taken of it at once (None: nothing), and the characters saved."""

    language: str
    kind: Kind | None
    characters: int


class Acceptance:
    """Follows the last offer in each document until it is taken, contradicted, or followed by another one.

    Text that comes in at once and agrees with the offer was accepted: to its end, or up to the end of a line or a
    word. What comes character by character was typed; so, for all that can be seen, was a line ending with its
    indentation and a pair of brackets, which editors add themselves. An entry of another server's completion list
    that agrees with the offer counts as a word.
    """

    def __init__(self, on_outcome: Callable[[Outcome], object]) -> None:
        self._on_outcome = on_outcome
        self._offers: dict[str, _Offer] = {}
        self._taken: deque[bool] = deque(maxlen=_REMEMBERED)

    @property
    def rate(self) -> float | None:
        """The share of the last 50 offers of which something was taken; None before the tenth."""
        return sum(self._taken) / len(self._taken) if len(self._taken) >= _ENOUGH else None

    def offered(self, snapshot: Snapshot, hole: Hole, texts: Sequence[str]) -> None:
        """Take note that `texts` ("\\n" line ends) are shown in place of the range of `hole`.

        The rest of what is shown already is no new offer.
        """
        old, new = self._offers.get(snapshot.uri), _Offer.of(snapshot, hole, texts)
        if old and old.goes_on_as(new):
            return
        self.closed(snapshot.uri)
        self._offers[snapshot.uri] = new

    def edited(self, after: Snapshot, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """Look at a document's newest version, made by `changes`."""
        offer = self._offers.get(after.uri)
        if offer is None:
            return
        by_hand = all(
            isinstance(change, types.TextDocumentContentChangePartial) and _by_hand(change.text) for change in changes
        )
        if not offer.advance(offer.standing(after), by_hand):
            self.closed(after.uri)

    def closed(self, uri: str) -> None:
        """Count the offer in a document, if any, as what it came to."""
        if offer := self._offers.pop(uri, None):
            self._taken.append(offer.kind is not None)
            self._on_outcome(Outcome(offer.language, offer.kind, offer.characters))


@dataclass(slots=True)
class _Offer:
    """Texts for a place. The place is known by its line, by what stands around it there, and by the lines below."""

    language: str
    line: int
    head: str
    tail: str
    lines_below: int
    texts: tuple[str, ...]
    done: str
    kind: Kind | None = None
    characters: int = 0

    @classmethod
    def of(cls, snapshot: Snapshot, hole: Hole, texts: Sequence[str]) -> _Offer:
        first, last = snapshot.line_at(hole.start), snapshot.line_at(hole.end)
        offer = cls(
            language=snapshot.language_id,
            line=first,
            head=snapshot.line_text(first)[: hole.start - snapshot.line_start(first)],
            tail=snapshot.line_text(last)[hole.end - snapshot.line_start(last) :],
            lines_below=snapshot.line_count - 1 - last,
            texts=tuple(texts),
            done="",
        )
        offer.done = offer.standing(snapshot) or ""
        return offer

    def standing(self, snapshot: Snapshot) -> str | None:
        """What stands at the place, with "\\n" line ends; None when the place is not to be found any more."""
        last = snapshot.line_count - 1 - self.lines_below
        if last < self.line:
            return None
        text = "\n".join(map(snapshot.line_text, range(self.line, last + 1)))
        around = len(self.head) + len(self.tail)
        if len(text) < around or not (text.startswith(self.head) and text.endswith(self.tail)):
            return None
        return text[len(self.head) : len(text) - len(self.tail)]

    def goes_on_as(self, new: _Offer) -> bool:
        """Whether `new` offers the rest of this; then its other texts are offered here too."""
        typed = "" if new.done == self.done and new.head == self.head else self.done
        before = (self.head + typed).rpartition("\n")[2]
        same_place = new.line == self.line + typed.count("\n") and (new.head, new.tail) == (before, self.tail)
        texts = [typed + text for text in new.texts]
        if not same_place or not set(texts) & set(self.texts):
            return False
        self.texts = tuple(dict.fromkeys((*self.texts, *texts)))
        return True

    def advance(self, standing: str | None, by_hand: bool) -> bool:
        """Take in what stands at the place now; False when the offer is over."""
        if standing is None:
            return False
        if standing == self.done:
            return True
        agreeing = [text for text in self.texts if text.startswith(standing)]
        if not agreeing:
            return False
        inserted = standing.removeprefix(self.done)
        deleted = self.done.startswith(standing)
        self.done = standing
        if not (deleted or by_hand or _by_hand(inserted)) and (kind := _boundary(agreeing, len(standing))):
            self.kind = max(self.kind or kind, kind, key=_KINDS.index)
            self.characters += len(inserted)
        return standing not in agreeing


def _by_hand(text: str) -> bool:
    return len(text) <= 1 or not text.strip() or text in _PAIRS


def _boundary(texts: Sequence[str], end: int) -> Kind | None:
    """What ends at an offset of the texts, which are the same up to there."""
    if any(len(text) == end for text in texts):
        return "full"
    around = [text[end - 1 : end + 1] for text in texts]
    if any("\n" in pair for pair in around):
        return "line"
    return "word" if any(not (_in_word(pair[0]) and _in_word(pair[1])) for pair in around) else None


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
