"""The functions of fixtures/typing: how they are typed key by key, and where a person pauses."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from dg_lsp.language_ids import language_of

FOLDER = Path(__file__).parents[1] / "fixtures" / "typing"
_KEY = re.compile(r"\n[ \t]*|.", re.DOTALL)  # the editor indents a new line by itself
_CODE = re.compile(r"[^\n]*\S")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TypedFunction:
    """A file whose function is typed: `before` and `after` it, and `body`."""

    name: str
    before: str
    body: str
    after: str

    @property
    def language(self) -> str:
        """The language identifier."""
        return language_of(self.name)

    @property
    def keys(self) -> list[str]:
        """The text of each key; a new line brings its indentation along."""
        return _KEY.findall(self.body)

    @property
    def natural_pauses(self) -> list[int]:
        """Offsets in the body where a person may stop: behind a word, `(`, `.`, a space or a new line's indentation."""
        ends, offset = [], 0
        for key in self.keys:
            offset += len(key)
            following = self.body[offset : offset + 1]
            word_ends = key[-1].isalnum() and not (following.isalnum() or following == "_")
            if following and (word_ends or key in "(. " or key[0] == "\n" or following == "\n"):
                ends.append(offset)
        return ends


def functions(folder: Path = FOLDER) -> list[TypedFunction]:
    """All functions. Raises `ValueError` that names a file without one."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        parts = re.split("[⟦⟧]", path.read_text("utf-8"))
        if len(parts) != 3:
            raise ValueError(f"{path} has no ⟦body⟧")
        found.append(TypedFunction(path.stem, *parts))
    return sorted(found, key=lambda function: (function.language, function.name))


def pauses(chosen: list[TypedFunction], count: int, seed: int) -> dict[str, set[int]]:
    """The offsets in each function's body at which the person pauses: `count` in each language, drawn by the seed."""
    natural: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for function in chosen:
        natural[function.language] += [(function.name, offset) for offset in function.natural_pauses]
    drawn: dict[str, set[int]] = {function.name: set() for function in chosen}
    for language, places in natural.items():
        for name, offset in random.Random(f"{seed} {language}").sample(places, min(count, len(places))):
            drawn[name].add(offset)
    return drawn


def accepted(shown: str, following: str) -> str:
    """The part of a shown text that stays when it is right: "" unless the author goes on exactly so.

    Blanks at the ends of lines do not count.
    """
    text = _TRAILING.sub("", shown).rstrip("\n")
    return text if text and following.startswith(text) else ""


def first_line_right(shown: str, following: str) -> bool:
    """True when the author goes on as the first line with code of a shown text says."""
    line = _CODE.match(shown.lstrip("\n"))
    return line is not None and following.lstrip("\n").startswith(line[0])
