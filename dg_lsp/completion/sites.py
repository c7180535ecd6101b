"""How a hole is set into its document before it is filled: on lines of its own, or between the marks of a comment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dg_lsp.completion.filters.place import Place, opens_block
from dg_lsp.context.window import to_document, window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole

_BLANKS = " \t\f"
_QUOTES = '"""'
_LINE_COMMENTS = {"rust": "/// ", "go": "// "}


@dataclass(frozen=True, slots=True)
class _Frame:
    """What takes the place of `text[start:end]`: `before`, the middle, `after`, with "\\n" line endings."""

    start: int
    end: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A hole ready to be filled: `hole` of `snapshot`, which is the document with `before` and `after` in it.

    `before`, the middle and `after`, in its line endings, replace `[start, end)` of the document itself.
    """

    snapshot: Snapshot
    hole: Hole
    start: int
    end: int
    before: str = ""
    after: str = ""


def site_of(snapshot: Snapshot, hole: Hole) -> Site:
    """The site of a hole: as it is, or with the line endings, indentation and comment marks that it needs."""
    if hole.kind == "todo":
        frame = _Frame(hole.start, hole.end, "\n" + _of_comment(snapshot, hole))
    elif hole.kind == "docstring":
        frame = _docstring(snapshot, hole)
    elif hole.kind in ("function", "arm"):
        frame = _block(snapshot, hole)
    else:
        hole = _behind_indentation(snapshot, hole)
        frame = _Frame(hole.start, hole.end)
    if frame == _Frame(hole.start, hole.end):
        return Site(snapshot=snapshot, hole=hole, start=hole.start, end=hole.end)
    before, after = to_document(snapshot, frame.before), to_document(snapshot, frame.after)
    text = snapshot.text[: frame.start] + before + after + snapshot.text[frame.end :]
    at = frame.start + len(before)
    one_line = hole.kind == "docstring" and snapshot.language_id in _LINE_COMMENTS
    framed = replace(hole, start=at, end=at, single_line=one_line)
    document = Snapshot(snapshot.uri, snapshot.language_id, snapshot.version, text)
    return Site(snapshot=document, hole=framed, start=frame.start, end=frame.end, before=before, after=after)


def _of_comment(snapshot: Snapshot, hole: Hole) -> str:
    """The indentation of the comment that a hole stands below; the last line of a long one has a blank more."""
    last = snapshot.line_text(snapshot.line_at(hole.start))
    return hole.indentation.removesuffix(" ") if last.lstrip().startswith("*") else hole.indentation


def _behind_indentation(snapshot: Snapshot, hole: Hole) -> Hole:
    """A hole over a whole line without the indentation, which stays."""
    code = snapshot.line_start(snapshot.line_at(hole.start)) + len(hole.indentation)
    return replace(hole, start=code) if hole.start < code < hole.end else hole


def _block(snapshot: Snapshot, hole: Hole) -> _Frame:
    """Statements begin on a line of their own, behind what opens their block or a docstring, and so does its end."""
    line_start = snapshot.line_start(snapshot.line_at(hole.start))
    header = snapshot.text[line_start : hole.start].rstrip(_BLANKS)
    opens = opens_block(header, snapshot.language_id) or header.endswith(":")
    behind_text = snapshot.language_id == "python" and hole.start == hole.end and not _begins_function(header)
    if not header or not (opens or behind_text):
        return _Frame(hole.start, hole.end)
    base, end, after = hole.indentation, hole.end, ""
    rest = snapshot.text[hole.end : snapshot.line_end(snapshot.line_at(hole.end))]
    if rest.lstrip(_BLANKS).startswith("}"):
        end += len(rest) - len(rest.lstrip(_BLANKS))
        closing_line = snapshot.text[snapshot.line_start(snapshot.line_at(end)) : end]
        if snapshot.line_at(end) > snapshot.line_at(hole.start) and not closing_line.strip():
            base = closing_line
        after = "\n" + base
    return _Frame(line_start + len(header), end, "\n" + base + (_unit(snapshot, hole, base) if opens else ""), after)


def _begins_function(header: str) -> bool:
    return header.lstrip().startswith(("def ", "async "))


def _docstring(snapshot: Snapshot, hole: Hole) -> _Frame:
    """Between quotes or comment marks; a new one has a line of its own, what stood there goes below it."""
    python = snapshot.language_id == "python"
    line_comment = _LINE_COMMENTS.get(snapshot.language_id)
    opening = _QUOTES if python else line_comment or "/** "
    closing = _QUOTES if python else "" if line_comment else " */"
    if hole.start < hole.end:
        return _Frame(hole.start, hole.end, opening, closing)
    line = snapshot.line_at(hole.start)
    head = snapshot.text[snapshot.line_start(line) : hole.start]
    rest = snapshot.text[hole.start : snapshot.line_end(line)]
    if head.strip() and closing:
        return _Frame(hole.start, hole.end, opening, closing + " ")
    return _Frame(hole.start, hole.end, opening, closing + ("\n" + hole.indentation if rest.strip() else ""))


def _unit(snapshot: Snapshot, hole: Hole, base: str) -> str:
    """One level of indentation as the document has it, with a line indented by `base` in the place of the hole's."""
    around = window(snapshot, hole)
    above = around.prefix.rpartition("\n")[0]
    place = Place(snapshot, hole, f"{above}\n{base}x\n", around.suffix)
    return "\t" if place.tabs or "\t" in base else " " * place.unit
