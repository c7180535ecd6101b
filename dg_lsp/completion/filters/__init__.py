"""What is done to a model's text before a user sees it.

Each filter is a function of a text and its place; it gives back the text, a part of it, or "" to drop it. None adds
anything but indentation, and quotes in the place of others. The cheap ones run in this order, until none of them
changes the text any more:

1. `special_tokens`: first, for the others are to see code alone.
2. `line_tail`: what is not wanted at all need not be looked at.
3. `indentation`: before lines are compared, for a line is a repeat only at the same depth.
4. `echo`: what the line has before the cursor; the brackets that stay are then those of the answer.
5. `other_quotes`: before anything looks for strings, as every Python finds them.
6. `repetition`: a loop hides the end of the text from the next four.
7. `lines_above`, `lines_below`, `once`, `overlap`: what stands around the hole already. They look at words, so they
8. come before `brackets`, which cuts by balance what is left of a repeated end, and
9. `open_block`, the same for Python: the others may have cut off what stood in the block.

Before all of them `unsure_lines` drops last lines of which the model was not sure. It needs the model's own numbers, so
it is applied where the answer comes in (`completion/fill.py`).

`unwritten`, `wordless`, `syntax_gate`, `python_gate` and `format_strings` judge the result and repair nothing; the two
before the last one cost a parse.
What changes the text makes room for a filter before it (a cut leaves blanks, say); going round until nothing changes
makes the whole idempotent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dg_lsp.completion.filters.brackets import brackets
from dg_lsp.completion.filters.echo import echo
from dg_lsp.completion.filters.format_strings import format_strings, other_quotes
from dg_lsp.completion.filters.indentation import indentation
from dg_lsp.completion.filters.line_tail import line_tail
from dg_lsp.completion.filters.neighbours import lines_above, lines_below
from dg_lsp.completion.filters.once import once
from dg_lsp.completion.filters.open_block import open_block
from dg_lsp.completion.filters.overlap import overlap
from dg_lsp.completion.filters.place import Place
from dg_lsp.completion.filters.python_gate import python_gate
from dg_lsp.completion.filters.repetition import repetition
from dg_lsp.completion.filters.special_tokens import special_tokens
from dg_lsp.completion.filters.syntax_gate import syntax_gate
from dg_lsp.completion.filters.unwritten import unwritten
from dg_lsp.completion.filters.wordless import wordless
from dg_lsp.positions import with_newlines

__all__ = ["CUTS", "GATES", "Filter", "Filtered", "Place", "filtered"]


class Filter(NamedTuple):
    """A filter, and what is said when nothing is left after it."""

    apply: Callable[[str, Place], str]
    reason: str


class Filtered(NamedTuple):
    """A text to show, or "" and why there is nothing to show."""

    text: str
    reason: str = ""


CUTS = (
    Filter(special_tokens, "the answer held only marks of the model, no code"),
    Filter(line_tail, "the answer begins on the next line"),
    Filter(indentation, "the answer was blank"),
    Filter(echo, "the answer repeats the line before the cursor"),
    Filter(other_quotes, "the answer needs Python 3.12 or newer"),
    Filter(repetition, "the answer repeats itself"),
    Filter(lines_above, "the answer repeats the line above"),
    Filter(lines_below, "the answer repeats the lines below"),
    Filter(once, "the answer repeats a line nearby"),
    Filter(overlap, "the answer repeats what follows the cursor"),
    Filter(brackets, "the answer's brackets do not fit the code around it"),
    Filter(open_block, "the answer opens a block and has nothing in it"),
)
GATES = (
    Filter(unwritten, "the answer leaves the code still to be written"),
    Filter(wordless, "the answer holds no word"),
    Filter(syntax_gate, "the answer would break the syntax"),
    Filter(python_gate, "the answer would break the syntax"),
    Filter(format_strings, "the answer needs Python 3.12 or newer"),
)


def filtered(text: str, place: Place, cuts: tuple[Filter, ...] = CUTS, gates: tuple[Filter, ...] = GATES) -> Filtered:
    """A model's text as it may be shown at a place, or nothing and the reason."""
    text = with_newlines(text)
    if not text.strip():
        return Filtered("", "the answer was blank")
    before = None
    while text != before:
        before = text
        for cut in cuts:
            text = cut.apply(text, place)
            if not text.strip():
                return Filtered("", cut.reason)
    for gate in gates:
        if not gate.apply(text, place):
            return Filtered("", gate.reason)
    return Filtered(text)
