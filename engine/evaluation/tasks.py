"""What is asked in the evaluation: holes with their answers, and how an answer is cut and run."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer

from engine.infill.loading import DEFAULT_MODEL
from engine.infill.tokens import Tokens

HELD_OUT = "held-out"
RECENT = {f"recent-{language}": language for language in ("python", "typescript", "go", "rust")}  # set: language
SAMPLED = {"multi-line-300": "multi-line", "random-span-300": "random-span"}  # set: the set whose fixed sample it is
SETS = (HELD_OUT, *RECENT, "single-line", "multi-line", "random-span", "random-span-light", *SAMPLED)
LENGTHS = ((1, 1), (2, 3), (4, 8), (9, 16), (17, None))  # of answers, in tokens of the shipped tokenizer
TRUNCATION = (
    "Where the hole lies in one line, the answer is the text before its first newline. Where the hole is whole lines "
    "of HumanEval-Infilling (single-line, multi-line), a newline is put behind an answer that lacks it; the engine and "
    "the rows without a model are shown that newline before the suffix, servers are not. Nothing else is cut."
)
ONE_LINE = ("line", "span", "whole-line", "arguments", "single-line")
_WHOLE_LINES = ("single-line", "multi-line")


class EvaluationError(Exception):
    """The evaluation cannot be done as asked; one line that says what to do."""


class Unreachable(EvaluationError):
    """A server that does not answer, at least at the moment."""


@dataclass(frozen=True, slots=True)
class Task:
    """One hole with its answer; `test` and `entry_point` where an answer can be run."""

    id: str
    set: str
    kind: str
    prefix: str
    middle: str
    suffix: str
    path: str = ""
    test: str = ""
    entry_point: str = ""
    language: str = "python"

    @property
    def one_line(self) -> bool:
        """Whether the hole is known to lie in one line."""
        return self.kind in ONE_LINE

    @property
    def blank_suffix(self) -> bool:
        return not self.suffix.strip()

    @property
    def suffix_shown(self) -> str:
        """The suffix, with the newline before it that `cut` puts behind an answer."""
        return "\n" + self.suffix if self.kind in _WHOLE_LINES else self.suffix

    @property
    def max_tokens(self) -> int:
        """How long an answer may be asked for; says nothing of the right one."""
        return 64 if self.one_line else 256

    def cut(self, text: str) -> str:
        """An answer after the truncation rule, `TRUNCATION`."""
        if self.one_line:
            text = text.split("\n", 1)[0]
        return text + "\n" if text and self.kind in _WHOLE_LINES and not text.endswith("\n") else text

    def merged(self, middle: str) -> str:
        """The file with the hole filled."""
        return self.prefix + middle + self.suffix

    def program(self, middle: str) -> str:
        """What passes or fails: the file, the benchmark's test and the call of it."""
        return f"{self.merged(middle)}\n{self.test}\ncheck({self.entry_point})\n"


@functools.cache
def tokens() -> Tokens:
    """The shipped model's tokenizer: it measures the answers' lengths and feeds the n-gram row, whatever is scored."""
    return Tokens(Tokenizer.from_file(str(DEFAULT_MODEL / "tokenizer.json")), ())


def length_class(text: str) -> str:
    """In which of `LENGTHS` an answer falls, for people."""
    length = max(1, len(tokens().encode(text)))
    low, high = next((low, high) for low, high in LENGTHS if high is None or length <= high)
    return f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"


def choose(tasks: Iterable[Task], limit: int | None, seed: int) -> list[Task]:
    """`limit` tasks of each kind, drawn by the seed, the kinds mixed so that any beginning is a fair sample.

    A task's place depends on its id and the seed alone, so that a larger limit only adds tasks.
    """
    kinds: dict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in sorted(tasks, key=lambda task: hashlib.sha256(f"{seed} {task.id}".encode()).digest()):
        kinds[task.set, task.kind].append(task)
    placed = [
        (place / len(chosen), task)
        for of_kind in kinds.values()
        for chosen in [of_kind[:limit]]
        for place, task in enumerate(chosen)
    ]
    return [task for _, task in sorted(placed, key=lambda item: item[0])]


def counts(tasks: Iterable[Task]) -> dict[str, int]:
    """How many tasks each set has."""
    return dict(Counter(task.set for task in tasks))
