"""Where the user wants no suggestion unasked: nowhere, in some languages, in comments."""

from __future__ import annotations

import pytest

from dg_lsp.completion.unwanted import unwanted
from dg_lsp.settings import InlineSettings
from tests.dg_lsp.marks import at_cursor, snapshot

NO_COMMENTS = InlineSettings(in_comments=False)


def test_everything_is_wanted_by_default() -> None:
    assert unwanted(InlineSettings(), *at_cursor("python", "# a│")) is None


def test_turned_off_altogether_or_for_a_language() -> None:
    off, no_markdown = InlineSettings(enabled=False), InlineSettings(disabled_languages=("markdown",))
    assert unwanted(off, snapshot("python", ""), 0) == "automatic suggestions are turned off (dg.inline.enabled)"
    assert unwanted(no_markdown, snapshot("python", ""), 0) is None
    why = "automatic suggestions are turned off for markdown (dg.inline.disabled_languages)"
    assert unwanted(no_markdown, snapshot("markdown", ""), 0) == why


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "x = 1  # why │"),
        ("python", "# why│"),
        ("python", 'def f():\n    """What │it does."""\n'),
        ("python", 'def f():\n    """What\n    │\n    """\n'),
        ("python", "# é 😀│\n"),
        ("javascript", "/**\n * what │\n */\nf()\n"),
        ("typescript", "f() // why│\n"),
        ("rust", "/// what│\nfn f() {}\n"),
        ("go", "// what│\npackage a\n"),
        ("c", "int x; /* what │ */\n"),
        ("cpp", "int x; // what│\n"),
        ("java", "class A { /* what│ */ }\n"),
        ("ruby", "  # what│\n"),
        ("lua", "-- what│\n"),
    ],
)
def test_comments_and_docstrings_where_the_user_wants_nothing_there(language: str, text: str) -> None:
    why = "automatic suggestions are turned off in comments (dg.inline.in_comments)"
    assert unwanted(NO_COMMENTS, *at_cursor(language, text)) == why


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "│"),
        ("python", "x = │1  # why\n"),
        ("python", "# why\n│"),
        ("python", 'x = "text │"\n'),
        ("python", 'def f():\n    """What it does."""│\n'),
        ("javascript", "/* what */│ f()\n"),
        ("rust", "/// what\n│fn f() {}\n"),
        ("markdown", "# a title│\n"),
    ],
)
def test_code_beside_comments_and_strings_is_wanted(language: str, text: str) -> None:
    assert unwanted(NO_COMMENTS, *at_cursor(language, text)) is None
