"""The network by itself: its greedy causal continuation, cut where the suffix reappears.

No candidates, no copies, no n-grams, no choice: what the rest of the engine adds is measured against this.
"""

from __future__ import annotations

from dataclasses import replace

from engine.infill import LoadedModel
from engine.infill.layout import lay_out
from engine.infill.search import Rules, search
from engine.protocol import FillRequest

RULE = (
    "causal, greedy, cut at the suffix: the likeliest token each time, in the checkpoint's fill-in-the-middle form. "
    "Where text follows the cursor on its line, the middle ends where that text (12 characters of the suffix, over "
    "line ends where the hole may have several lines) reappears; else before the first line that equals the suffix's "
    "first one or stands further left than the cursor's line."
)
_KEY = 12  # characters of the suffix whose reappearance ends a middle


def middle(model: LoadedModel, request: FillRequest) -> str:
    """The greedy middle of a request; its deadline and candidates are not looked at."""
    layout = lay_out(request, model.tokens, model.shape)
    reader = replace(model.reader(request, layout), ngrams=None)

    head = layout.prefix_text.rsplit("\n", 1)[-1]

    def cut(text: str) -> str:
        return cut_at_suffix(head, text, request.suffix, one_line=request.single_line)

    def proceed(text: str) -> bool:
        whole_lines, newline, _ = text.rpartition("\n")
        return not newline if request.single_line else cut(whole_lines) == whole_lines

    drafts = search(reader, Rules(width=1, limit=request.max_tokens, line=False, proceed=proceed))
    return cut(drafts[0]) if drafts else ""


def cut_at_suffix(head: str, text: str, suffix: str, *, one_line: bool) -> str:
    """A continuation up to where it writes the suffix again; `head` is the cursor's line before it."""
    rest = suffix.split("\n", 1)[0]
    if one_line:
        line = text.split("\n", 1)[0]
        return _before_rest(line, rest.rstrip()) if rest.strip() else line
    if rest.strip():
        at = text.find(suffix[:_KEY].rstrip())
        return text if at < 0 else text[:at]
    following = next((line.rstrip() for line in suffix.split("\n") if line.strip()), None)
    first, *lines = (head + text).split("\n")
    kept = [first]
    for line in lines:
        if line.strip() and (_indent(line) < _indent(first) or line.rstrip() == following):
            break
        kept.append(line)
    return "\n".join(kept)[len(head) :]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _before_rest(line: str, rest: str) -> str:
    """A line without the rest of the cursor's line at its end, else without what begins like it."""
    if line.rstrip().endswith(rest):
        return line.rstrip().removesuffix(rest)
    at = line.rfind(rest[:_KEY])
    return line if at < 0 else line[:at]
