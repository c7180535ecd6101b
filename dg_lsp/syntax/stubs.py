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

_LONGEST = 500
"""Characters of a stub: there may be a message in it."""

_SAID = ("not implemented", "Not implemented", "not yet implemented", "Not yet implemented", "unimplemented", "TODO")
_COMMENTS = ("TODO", "FIXME", "Your code here", "your code here")


def _begun(*calls: str, quotes: str = '"') -> tuple[str, ...]:
    """Calls as far as the words by which they say that the code is still to be written."""
    return tuple(f"{call}{quote}{words}" for call in calls for quote in quotes for words in _SAID)


_C_COMMENTS = tuple(f"// {words}" for words in _COMMENTS)
_C_STARTS = (*_C_COMMENTS, *_begun("assert(!", "assert(0 && ", "assert(false && "))
_SCRIPT_STARTS = (*_C_COMMENTS, "return null; // TODO", *_begun("throw new Error(", "throw Error(", quotes="\"'`"))
_STARTS = {
    "python": (
        *("pass", "...", "raise NotImplementedError", "return None  # TODO", "return None # TODO"),
        *(f"# {words}" for words in _COMMENTS),
    ),
    "javascript": _SCRIPT_STARTS,
    "javascriptreact": _SCRIPT_STARTS,
    "typescript": _SCRIPT_STARTS,
    "typescriptreact": _SCRIPT_STARTS,
    "rust": (*_C_COMMENTS, "todo!", "unimplemented!", *_begun("panic!(")),
    "go": (*_C_COMMENTS, "return nil // TODO", *_begun("panic(")),
    "c": _C_STARTS,
    "cpp": (*_C_STARTS, *_begun("throw std::runtime_error(", "throw std::logic_error(")),
    "java": (
        *_C_COMMENTS,
        "return null; // TODO",
        "throw new UnsupportedOperationException",
        *_begun("throw new Error("),
    ),
}
"""What code must not begin with where a stub was to be filled."""

_RETURNS = re.compile(r"return(?:\s+(?:None|null|nullptr|NULL|nil|undefined))?;?")
_PYTHON_COMMENT = re.compile(r"#[^\n]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_DOCSTRING = re.compile(r"\A\s*[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3})", re.DOTALL)


def only_returns(text: str) -> bool:
    """Whether a stub may be meant as it is, because it only returns."""
    return _RETURNS.fullmatch(text) is not None


def stub_starts(language_id: str) -> tuple[str, ...]:
    """Returns the texts that begin a stub in a language."""
    return _STARTS.get(language_id, ())


def is_unwritten(text: str, language_id: str) -> bool:
    """Returns True when a text, with "\\n" line ends, leaves the code to be written.

    It does when it holds nothing but comments or a docstring, when it is a stub that cannot be meant as it is (a lone
    `return` can, unless a comment says TODO), and when its first line is such a stub.
    """
    python = language_id == "python"
    code = (_PYTHON_COMMENT if python else _COMMENT).sub("", _DOCSTRING.sub("", text) if python else text)
    code = code.strip().rstrip("; ")
    if not code:
        return True
    if only_returns(code):
        return bool(TODO.search(text))
    first = code.split("\n", 1)[0].rstrip("; ")
    return any(_is_stub(part, language_id) and not only_returns(part) for part in (code, first))


def _is_stub(statement: str, language_id: str) -> bool:
    pattern = _STUBS.get(language_id)
    return pattern is not None and len(statement) <= _LONGEST and pattern.fullmatch(statement) is not None


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
    rest = [node for node in nodes if not is_comment(node)]
    todos = [node for node in nodes if is_todo(node)]
    if not all(_is_stub(text_of(node).rstrip("; \t\r\n"), snapshot.language_id) for node in rest):
        return None
    first = rest or todos
    if not first:
        return None
    last = max(first + todos, key=lambda node: node.end_byte)
    start, end = span(snapshot, first[0])[0], span(snapshot, last)[1]
    return start, start + len(snapshot.text[start:end].rstrip())
