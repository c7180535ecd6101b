"""What gets no suggestions and is shown to no model: secret files, ignored files, what the user named, no source text.

`dg.exclude` lies over .gitignore, this over the list of secret files; all three have the syntax of .gitignore,
so that "!name" in `dg.exclude` lets a file in. Outside the workspace's folders .gitignore does not count.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dg_lsp.context.ignore_rules import Rules, ignored, rules, verdict
from dg_lsp.context.secrets import is_secret_file
from dg_lsp.documents import Snapshot
from dg_lsp.files import MAX_BYTES
from dg_lsp.uris import file_name, file_path, named_parts

MAX_LINE = 5_000
"""A longer line was not written by hand."""

_PROSE = ("plaintext", "markdown", "latex", "restructuredtext", "asciidoc")
_CONFLICT = re.compile(r"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)
_RECHECK_S = 2.0
_MAX_VERDICTS = 1_000


class Exclusions:
    """Answers from memory for two seconds, so that it costs a keystroke nothing."""

    def __init__(self, folders: Callable[[], Sequence[Path]], patterns: Callable[[], Sequence[str]]) -> None:
        """`folders` are those of the workspace, `patterns` the setting `dg.exclude`, both as they are at the time."""
        self._folders = folders
        self._patterns = patterns
        self._own: tuple[Sequence[str], Rules] = (), []
        self._verdicts: dict[str, tuple[float, Sequence[str], str | None]] = {}
        self._files: dict[Path, tuple[tuple[int, int], Rules]] = {}

    def of_document(self, snapshot: Snapshot, line: int) -> str | None:
        """Why a document gets nothing at a line; None when it is served."""
        return self.of_uri(snapshot.uri) or _of_content(snapshot, line)

    def of_uri(self, uri: str) -> str | None:
        """Why the file of a URI is left out, by where it lies; None when it is not."""
        now, patterns = time.monotonic(), self._patterns()
        known = self._verdicts.get(uri)
        if known and now - known[0] < _RECHECK_S and known[1] is patterns:
            return known[2]
        if len(self._verdicts) >= _MAX_VERDICTS:
            self._verdicts.clear()
        if patterns is not self._own[0]:
            self._own = patterns, rules(patterns)
        reason = self._reason(uri, self._own[1])
        self._verdicts[uri] = (now, patterns, reason)
        return reason

    def _reason(self, uri: str, own: Rules) -> str | None:
        """A link is judged by what it is called and by what it leads to."""
        path = file_path(uri)
        if path is None:
            return self._of_parts(named_parts(uri), own)
        for place in dict.fromkeys((path, _real(path))):
            if reason := self._of_path(place, own):
                return reason if place == path else f"{path.name} is a link to a file left out: {reason}"
        return None

    def folder_of(self, path: Path) -> Path | None:
        """The innermost of the workspace's folders around a path, written like the path."""
        written = (folder for given in self._folders() for folder in dict.fromkeys((given, _real(given))))
        around = (folder for folder in written if path.is_relative_to(folder))
        return max(around, key=lambda folder: len(folder.parts), default=None)

    def _of_path(self, path: Path, own: Rules) -> str | None:
        folder = self.folder_of(path)
        parts = path.relative_to(folder or path.anchor).parts
        if folder and _chosen(parts, own) is None and self._git_ignores(path, folder):
            return f"{path.name} is ignored by .gitignore"
        return self._of_parts(parts, own)

    def _of_parts(self, parts: Sequence[str], own: Rules) -> str | None:
        chosen = _chosen(parts, own)
        if chosen:
            return f"{parts[-1]} is excluded by the setting dg.exclude"
        if chosen is None and parts and is_secret_file(parts):
            return f"{parts[-1]} is on the list of secret files"
        return None

    def _git_ignores(self, path: Path, folder: Path) -> bool:
        # The repository may be larger than the workspace's folder, or lie in it.
        around = (place for place in path.parents if os.path.exists(place / ".git"))
        top = next(around, folder)
        return ignored(path.relative_to(top).parts, lambda parts: self._rules_in(top, parts))

    def _rules_in(self, top: Path, parts: Sequence[str]) -> Rules:
        own = self._rules_of(top.joinpath(*parts, ".gitignore"))
        return own if parts else self._rules_of(top / ".git" / "info" / "exclude") + own

    def _rules_of(self, file: Path) -> Rules:
        """The rules of a file, read again when it changed; none when it cannot be read."""
        try:
            stat = file.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if file not in self._files or self._files[file][0] != stamp:
                text = file.read_text(encoding="utf-8-sig", errors="replace")
                self._files[file] = stamp, rules(text.replace("\r\n", "\n").split("\n"))
        except OSError:
            return []
        return self._files[file][1]


def _real(path: Path) -> Path:
    """Where a path leads to; itself where links go round in a circle, or a name is longer than names can be."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _chosen(parts: Sequence[str], own: Rules) -> bool | None:
    """What the user's own rules say: the rule about the file, else about the innermost folder around it."""
    levels = ("/".join(parts[:end]) + ("/" if end < len(parts) else "") for end in range(len(parts), 0, -1))
    return next((found for level in levels if (found := verdict(own, level)) is not None), None)


def _of_content(snapshot: Snapshot, line: int) -> str | None:
    name = file_name(snapshot.uri) or "this document"
    if len(snapshot.text) > MAX_BYTES:
        return f"{name} is larger than {MAX_BYTES // 1024**2} MiB"
    if "\0" in snapshot.text:
        return f"{name} is binary (it holds a zero byte)"
    if snapshot.language_id not in _PROSE and len(snapshot.line_text(line)) > MAX_LINE:
        return f"line {line + 1} of {name} is longer than {MAX_LINE:,} characters"
    if conflict := _conflict_line(snapshot):
        return f"{name} holds a merge conflict (line {conflict}): resolve it first"
    return None


def _conflict_line(snapshot: Snapshot) -> int:
    """The first line, from 1, of the marks that a merge leaves around two versions; 0 where there are none."""
    if "<<<<<<< " in snapshot.text and (found := _CONFLICT.search(snapshot.text)):  # the pattern alone is slow
        return snapshot.line_at(found.start()) + 1
    return 0
