"""What lines in the syntax of .gitignore say about a path, as `git check-ignore` reads them.

Except that "?" stands for a character and not for a byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_STARS = re.compile(r"(?:(?<=^)|(?<=^!)|(?<=/))\*{3,}(?=/|$)")
"""A part of more stars than two, which Git takes for two."""

Rules = list[tuple[re.Pattern[str], bool]]
"""Patterns in the order of their lines; True leaves a path out, False (a line with "!") lets it in."""


def rules(lines: Sequence[str]) -> Rules:
    """The rules of these lines; comments, blank lines and lines that Git cannot read say nothing."""
    # Imported here because it takes 15 ms, and many a session meets no such line.
    from pathspec.patterns.gitignore.base import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    found: Rules = []
    for line in lines:
        line = _STARS.sub("**", line)
        if line.endswith("/**"):
            line += "/*"  # what lies in the folder, not the folder itself: a later "!" can let parts of it in
        try:
            pattern, leaves_out = GitIgnoreSpecPattern.pattern_to_regex(line)
        except GitIgnorePatternError:
            continue
        if pattern is not None and leaves_out is not None:
            # \Z: the path itself must match. That what lies in a folder goes with it is up to `ignored`.
            found.append((re.compile(f"(?:{pattern})\\Z", re.DOTALL), leaves_out))
    return found


def verdict(rules: Rules, path: str) -> bool | None:
    """True to leave a path out, False to let it in, None when no rule speaks of it; the last rule that does counts.

    `path` is relative to the folder of the rules, with "/" between its parts, and behind it where it is a folder.
    """
    return next((leaves_out for pattern, leaves_out in reversed(rules) if pattern.search(path)), None)


def ignored(parts: Sequence[str], rules_in: Callable[[Sequence[str]], Rules]) -> bool:
    """Whether a file, or a folder around it, is left out; `parts` is its path from the topmost folder with rules.

    `rules_in(parts[:n])` gives the rules of a folder on the way. Those of the innermost folder count first.
    """
    for end in range(1, len(parts) + 1):
        behind = "/" if end < len(parts) else ""
        verdicts = (verdict(rules_in(parts[:top]), "/".join(parts[top:end]) + behind) for top in reversed(range(end)))
        if next((found for found in verdicts if found is not None), False):
            return True
    return False
