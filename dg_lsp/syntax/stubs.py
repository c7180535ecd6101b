"""What stands in for code that is still to be written, in every language."""

from __future__ import annotations

import re

from tree_sitter import Node

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.tree import is_comment, span, text_of

TODO = re.compile(r"\b(?:TODO|FIXME)\b", re.IGNORECASE)

_NOT_YET = r"(?i:not[ _-]?(?:yet[ _-]?)?implemented|unimplemented|UnsupportedOperation|\bTODO\b|\bFIXME\b)"
_THROW = rf"throw\b.*{_NOT_YET}.*"
_ASSERT = rf"assert\s*\(.*{_NOT_YET}.*"
_SCRIPT = rf"{_THROW}|return(?:\s+(?:null|undefined))?"
_STUBS = {
    language: re.compile(pattern, re.DOTALL)
    for language, pattern in {
        "python": r"pass|\.\.\.|raise\s+NotImplementedError\b.*|return(?:\s+None)?",
        "javascript": _SCRIPT,
        "javascriptreact": _SCRIPT,
        "typescript": _SCRIPT,
        "typescriptreact": _SCRIPT,
        "rust": rf"(?:todo|unimplemented)!.*|panic!.*{_NOT_YET}.*|return",
        "go": rf"panic\(.*{_NOT_YET}.*|return(?:\s+nil)?|return\b.*(?:errors\.New|fmt\.Errorf)\(.*{_NOT_YET}.*",
        "c": rf"{_ASSERT}|return(?:\s+NULL)?",
        "cpp": rf"{_THROW}|{_ASSERT}|return(?:\s+(?:NULL|nullptr))?",
        "java": rf"{_THROW}|return(?:\s+null)?",
    }.items()
}
"""What a statement must be, without its semicolon, to count as a stub."""

_RETURNS = re.compile(r"return(?:\s+(?:None|null|nullptr|NULL|nil|undefined))?;?")
_PYTHON_COMMENT = re.compile(r"#[^\n]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def only_returns(text: str) -> bool:
    """Whether a stub may be meant as it is, because it only returns."""
    return _RETURNS.fullmatch(text) is not None


def is_unwritten(text: str, language_id: str) -> bool:
    """Whether a text, with "\\n" line ends, is nothing but comments or a stub that cannot be meant as it is."""
    comment = _PYTHON_COMMENT if language_id == "python" else _COMMENT
    code = comment.sub("", text).strip().rstrip("; ")
    stub = _STUBS.get(language_id)
    return not code or (stub is not None and bool(stub.fullmatch(code)) and not only_returns(code))


def statements(node: Node) -> list[Node]:
    """The statements and comments of a body (Go keeps its statements in a list of their own)."""
    nodes: list[Node] = []
    for child in node.named_children:
        nodes += child.named_children if child.type == "statement_list" else [child]
    return nodes


def is_todo(node: Node) -> bool:
    """Whether a node is a comment that asks for something."""
    return is_comment(node) and bool(TODO.search(text_of(node)))


def stub_range(snapshot: Snapshot, nodes: list[Node]) -> tuple[int, int] | None:
    """From the first to the last stub; None when anything else stands among them.

    Comments above a stub statement stay, for they tell what is wanted; a TODO alone is the stub.
    """
    stub = _STUBS[snapshot.language_id]
    rest = [node for node in nodes if not is_comment(node)]
    todos = [node for node in nodes if is_todo(node)]
    if not all(stub.fullmatch(text_of(node).rstrip("; \t\r\n")) for node in rest):
        return None
    first = rest or todos
    if not first:
        return None
    last = max(first + todos, key=lambda node: node.end_byte)
    start, end = span(snapshot, first[0])[0], span(snapshot, last)[1]
    return start, start + len(snapshot.text[start:end].rstrip())
