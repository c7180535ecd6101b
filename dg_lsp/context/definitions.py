"""Where a text defines its names, read line by line: quick, and no trouble with half-written code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MAX_LINES = 30
MAX_CHARS = 2_000
"""Of one definition; what is longer is cut between lines."""
_MAX_HEAD = 300
"""Longer lines are seldom the head of a definition."""

_FAMILIES = {
    "javascript": "script",
    "javascriptreact": "script",
    "typescript": "script",
    "typescriptreact": "script",
    "c": "c",
    "cpp": "c",
}

_WORD = r"([A-Za-z_]\w*)"
_NO_CALL = r"(?!(?:return|if|for|while|switch|else|case|catch|throw|new|delete|do|using|await|yield|in|of)\b)"
_TYPED_FUNCTION = rf"\s*{_NO_CALL}[A-Za-z_][\w:<>,\[\]&*\s~]*[\s*&:]{_WORD}\s*\([^;]*$"
_HEADS = {
    "python": rf"\s*(?:async\s+)?(?:def|class)\s+{_WORD}|{_WORD}\s*(?::[^=]*)?=(?!=)",
    "script": r"\s*(?:(?:export|default|declare|abstract|async)\s+)*"
    rf"(?:function\b\s*\*?|class\b|interface\b|type\b|enum\b|namespace\b)\s*{_WORD}"
    rf"|(?:export\s+)?(?:const|let|var)\s+{_WORD}"
    rf"|\s+(?:(?:public|private|protected|static|async|override|get|set)\s+)*{_NO_CALL}{_WORD}\s*\([^;]*\{{\s*$",
    "rust": r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:const|async|unsafe|default)\s+)*"
    rf"(?:fn|struct|enum|trait|type|union|mod|static|const|macro_rules!)\s+{_WORD}",
    "go": rf"(?:func\s+(?:\([^)]*\)\s*)?|type\s+|var\s+|const\s+){_WORD}",
    "c": rf"\s*(?:typedef\s+)?(?:struct|class|enum(?:\s+class)?|union|namespace)\s+{_WORD}[^;]*$"
    rf"|\s*#\s*define\s+{_WORD}|{_TYPED_FUNCTION}",
    "java": r"\s*(?:(?:public|protected|private|abstract|static|final|sealed)\s+)*"
    rf"(?:class|interface|enum|record)\s+{_WORD}|{_TYPED_FUNCTION}",
}
_PATTERNS = {family: re.compile(head) for family, head in _HEADS.items()}


def family(language_id: str) -> str:
    """Languages that use each other's definitions have the same family."""
    return _FAMILIES.get(language_id, language_id)


def definitions(lines: Sequence[str], language_id: str, among: range) -> Iterator[tuple[str, str]]:
    """The name and the text of each definition that begins in the lines `among`, in order."""
    pattern = _PATTERNS.get(family(language_id))
    if pattern is None:
        return
    for first in among:
        line = lines[first]
        if len(line) <= _MAX_HEAD and (found := pattern.match(line)):
            yield next(filter(None, found.groups())), "\n".join(lines[first : _end(lines, first)])


def _end(lines: Sequence[str], first: int) -> int:
    """The line behind a definition: the first that is indented no deeper and closes nothing, or where it gets long."""
    depth = _indent(lines[first])
    last, length = first, 0
    for number in range(first, min(first + MAX_LINES, len(lines))):
        text = lines[number].strip()
        length += len(lines[number]) + 1
        if length > MAX_CHARS:
            break
        inside = number == first or _indent(lines[number]) > depth
        if text and not inside and text[0] not in ")]}{":
            break
        if text:
            last = number
        if text and not inside and text.rstrip(";,") in ("}", "]", ")"):
            break
    return last + 1


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
