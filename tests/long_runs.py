"""Texts of one piece again and again, and whether what is done with them takes more than its share of time."""

from __future__ import annotations

import time
from collections.abc import Callable

LETTERS = ("a", "é", "😀", "iVBORw0KGgo", "a ", "a.", "a-", "token", "eyJ-", "TODO ")
BLANKS = (" ", "\t", "\n", "\r", " \n", "\x0c", "a\n", "# a\n")
BRACKETS = ("(", ")", "[", "]", "{", "}", "()", "(\n", "}\n", "a(", "f(){", "<s>", "a<s>")
QUOTES = ('"', "'", "`", '\\"', "\\'", "\\`", "\\", '"\n', "'a\" ", "/*", "*/", "//")
CODE = ("from ", "from a import (\n", "import a\n", "://", ": ", "return ", "errors.New(", "x = 1\n", "'a': 1,\n")
PIECES = (*LETTERS, *BLANKS, *BRACKETS, *QUOTES, *CODE)

SHORT = 1_500
TIMES = 4
NOTHING_S = 0.004
"""So little tells nothing of how it grows."""

Work = Callable[[str], object]


def seconds(work: Work, text: str) -> float:
    begun = time.thread_time()
    work(text)
    return time.thread_time() - begun


def grows_too_fast(work: Work, start: str, piece: str) -> bool:
    """Whether a text four times as long takes much more than four times as long: with the square it would be 16."""
    short, long = (f"{start}{piece * (length // len(piece))};" for length in (SHORT, TIMES * SHORT))
    for _ in range(3):  # what else runs here may disturb once
        if (took := seconds(work, long)) < NOTHING_S:
            return False
        if took < 2 * TIMES * min(seconds(work, short) for _ in range(3)):
            return False
    return True
