"""The beginnings of a middle that the model is surest of: what is shown while somebody types.

The likeliest continuation is followed token by token, with the chance that the author goes on so. It falls with every
token, so the work ends as soon as nothing more could be shown, mostly after a few tokens. On natural pauses in code
that the model had not read the chance tells right from wrong far better than how candidates compare: of what has a
chance of 0.7 to 0.9 five in six are right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.infill.blocks import Block
from engine.infill.context import LEAST, Reader
from engine.infill.search import looping
from engine.infill.start import Hypothesis, Next, Start
from engine.model.token_tree import ROOT

_CLOSERS = {")": "(", "]": "[", "}": "{"}
_QUOTES = "\"'`"


@dataclass(frozen=True, slots=True)
class Beginning:
    """A text that the middle may begin with, the chance that it does, and whether the middle ends there."""

    text: str
    chance: float
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a middle may go: so many tokens, and with `line` to the end of its line, else of its `block`.

    It is followed while the chance that the author goes on so is `least` or more, and while `goes_on`, which sees
    every text that it has come to, answers that there is time.
    """

    tokens: int
    line: bool
    block: Block
    least: float
    goes_on: Callable[[str], bool]


@torch.inference_mode()
def beginnings(reader: Reader, limits: Limits) -> list[Beginning]:
    """Where the likeliest middle may end, from the shortest text to the longest, each of them likely enough.

    Where words stand behind the hole in its line only the whole middle may.
    """
    start, block, least = Start.of(reader, width=1), limits.block, limits.least
    found, begun = list[Beginning](), Hypothesis((), "", 0.0, ROOT)
    for _ in range(limits.tokens):
        (following,) = start.next_tokens([begun])
        probability, token = following.likeliest[0]
        if token in start.ends or (limits.line and following.end >= probability):
            _end(found, begun.text, math.exp(begun.total) * following.end)
            break
        ids = (*begun.ids, token)
        text, chance = start.text(ids), math.exp(begun.total) * _of_text(start, following)
        if limits.line and "\n" in text:
            _end(found, text.split("\n", 1)[0], math.exp(begun.total) * probability)
            break
        if (ended := block.cuts(text)[0]) != text.rstrip():
            _end(found, ended, math.exp(begun.total) * probability)
            break
        if chance < least or looping(ids) or not limits.goes_on(text):
            break
        if may_end(text):
            found.append(Beginning(text.rstrip(), chance, whole=False))
        begun = Hypothesis(ids, text, begun.total + math.log(max(probability, LEAST)), following.place)
    kept = {one.text: one for one in found if one.chance >= least and one.text.strip()}
    behind = reader.layout.suffix_text.split("\n", 1)[0]
    if any(map(_in_word, behind)):
        return [one for one in kept.values() if one.whole]
    return _at_words(list(kept.values()), begun.text)


def _of_text(start: Start, following: Next) -> float:
    """The chance of the likeliest token; of one that does not end in a word, of all that go on behind its text as well.

    One token often holds a bracket and the newline behind it.
    """
    probability, token = following.likeliest[0]
    piece = start.reader.tokens.pieces[token]
    return start.chance_of(piece, following) if piece and not _in_word(piece[-1]) else probability


def _end(found: list[Beginning], text: str, chance: float) -> None:
    """Keep the text as a whole middle; it is as likely as it is with what was seen behind it, or as its beginning."""
    text = text.rstrip()
    if found and found[-1].text == text:
        chance = max(chance, found.pop().chance)
    found.append(Beginning(text, chance, whole=True))


def may_end(text: str) -> bool:
    """Whether a text may be shown up to here: behind a word or a closing bracket or quote, and with none open in it."""
    last = text.rstrip()[-1:]
    if not (_in_word(last) or last in _CLOSERS or last in _QUOTES) or not last:
        return False
    opened = all(text.count(opening) <= text.count(closing) for closing, opening in _CLOSERS.items())
    return opened and all(text.count(quote) % 2 == 0 for quote in _QUOTES[:1])


def _at_words(found: list[Beginning], text: str) -> list[Beginning]:
    """Those that do not end inside a word of the text."""

    def inside(one: Beginning) -> bool:
        following = text[len(one.text) : len(one.text) + 1]
        return not one.whole and _in_word(one.text[-1]) and bool(following) and _in_word(following)

    return [one for one in found if not inside(one)]


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
