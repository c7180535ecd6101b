"""What the filters know about the place that a text is meant for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from tree_sitter import Tree

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.brackets import comment_line, without_strings
from dg_lsp.syntax.holes import Hole
from dg_lsp.syntax.languages import PROSE

_NEAR_LINES = 40
_STYLE_LINES = 1000
_OPENS_BLOCK = ("{", "(", "[")
_CLOSERS = (")", "]", "}")


@dataclass(frozen=True)
class Place:
    """A hole with the text around it; `prefix` and `suffix` have "\\n" line ends, as the model saw them.

    `typed` is the end of `prefix` that the document does not have yet.
    """

    snapshot: Snapshot
    hole: Hole
    prefix: str
    suffix: str
    typed: str = ""

    @property
    def language(self) -> str:
        return self.snapshot.language_id

    @cached_property
    def trees(self) -> dict[str, Tree | None]:
        """The trees of the document with texts in its hole, as far as they were asked for."""
        return {}

    @cached_property
    def head(self) -> str:
        """The cursor's line up to the cursor."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @cached_property
    def rest(self) -> str:
        """The cursor's line from the cursor, or the hole's end, on."""
        return self.suffix.split("\n", 1)[0]

    @cached_property
    def above(self) -> list[str]:
        """The lines with code nearest above the cursor's, in the order of the document."""
        lines = _last_lines(self.prefix, _NEAR_LINES)[:-1]
        return [line for line in lines if line.strip()]

    @cached_property
    def below(self) -> list[str]:
        """The lines with code nearest below the hole's last."""
        lines = self.suffix.split("\n", _NEAR_LINES)[1:_NEAR_LINES]
        return [line for line in lines if line.strip()]

    @cached_property
    def cut_above(self) -> bool:
        """Whether the document begins before `prefix`."""
        return self.prefix.count("\n") < self.snapshot.line_at(self.hole.start)

    @cached_property
    def cut_below(self) -> bool:
        """Whether the document goes on behind `suffix`."""
        return self.suffix.count("\n") < self.snapshot.line_count - 1 - self.snapshot.line_at(self.hole.end)

    @property
    def at_line_start(self) -> bool:
        """Whether nothing but blanks stands before the cursor."""
        return not self.head.strip()

    @property
    def in_a_line(self) -> bool:
        """Whether a begun line is to be gone on with, and no more."""
        return self.hole.single_line and not self.at_line_start

    @cached_property
    def in_words(self) -> bool:
        """Whether words of a human language are in order: in prose, a comment, a string or the text of a tag."""
        code = without_strings(self.head)
        return (
            self.language in PROSE
            or in_string(self.prefix)
            or re.search(r"(?:^|\s)(?:#|//|--)|/\*|[\"'`]", code) is not None
            or comment_line(self.head)
            or (self.language.endswith("react") and code.rstrip().endswith(">"))
        )

    @cached_property
    def tabs(self) -> bool | None:
        """Whether the document is indented by tabs; None where it does both, or neither."""
        leads = [lead for lead in self._leads if lead == "\t" * len(lead) or len(lead) > 1]
        tabbed = sum("\t" in lead for lead in leads)
        if not leads:
            return True if self.language == "go" else None
        if min(tabbed, len(leads) - tabbed) * 5 > len(leads):
            return None
        return tabbed * 2 > len(leads)

    @cached_property
    def unit(self) -> int:
        """The columns of one level of indentation."""
        if self.tabs:
            return 4
        widths = [len(lead) for lead in self._leads]
        steps = Counter(b - a for a, b in zip([0, *widths], widths, strict=False) if 2 <= b - a <= 8)
        return steps.most_common(1)[0][0] if steps else 4

    @cached_property
    def expected_depth(self) -> int:
        """The columns at which code right below the line above would stand."""
        if not self.above:
            return 0
        line = self.above[-1].rstrip()
        return self.columns(line) + (self.unit if opens_block(line, self.language) else 0)

    def columns(self, line: str) -> int:
        """How far a line is indented."""
        return len(lead_of(line).expandtabs(self.unit))

    @cached_property
    def _leads(self) -> list[str]:
        """The indentation of the indented lines around the hole."""
        half = _STYLE_LINES // 2
        lines = _last_lines(self.prefix, half)[:-1] + self.suffix.split("\n", half)[1:half]
        return [lead_of(line) for line in lines if line[:1] in (" ", "\t") and line.strip()]


def lead_of(line: str) -> str:
    """The blanks and tabs at the start of a line."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def opens_block(line: str, language: str) -> bool:
    """Whether the line below is to stand deeper."""
    code = line.split(" #" if language == "python" else " //", 1)[0].rstrip()
    return code.endswith(_OPENS_BLOCK) or opens_python_block(line, language)


def opens_python_block(line: str, language: str) -> bool:
    """Whether a line is the header of a block of Python."""
    return language == "python" and line.split(" #", 1)[0].rstrip().endswith(":") and not line.lstrip().startswith("#")


def in_string(text: str) -> bool:
    """Whether a text ends within a string of three quotes, as far as these alone tell."""
    return any(text.count(quotes) % 2 for quotes in ('"""', "'''"))


def starts_with_closer(line: str) -> bool:
    """Whether a line closes what a line above it opened."""
    return line.lstrip().startswith(_CLOSERS)


def is_distinctive(line: str) -> bool:
    """Whether a line says enough that a second one right beside it is a repeat: three words, or seven letters."""
    words = re.findall(r"\w+", line)
    return len(words) >= 3 or sum(map(len, words)) >= 7


def _last_lines(text: str, count: int) -> list[str]:
    return text.rsplit("\n", count)[-count:]
