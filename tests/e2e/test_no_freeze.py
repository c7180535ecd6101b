"""Other requests are answered while the server works on huge documents; `python -m dg_lsp.benchmark` tells how soon."""

from __future__ import annotations

import time
from statistics import median

import pytest
from lsp_session import URI, LspSession, ScriptedEngine, StartEngine, message, position

START = {"initializationOptions": {"inline": {"debounce_ms": 0, "deadline_ms": 20_000}}}
FUNCTIONS = "".join(f"def work_{n}(first, second):\n    value = {n}\n    return value\n\n\n" for n in range(10_000))
LONG_LINE = "x=compute(1);" * 80_000 + "\n\n"


@pytest.fixture
def engine(start: StartEngine) -> ScriptedEngine:
    return start("--steps", "2", "--middle", "print(first)", **START)


def typed(lsp: LspSession, line: int, column: int, version: int) -> None:
    here = position(line, column)
    lsp.change(URI, version, {"range": {"start": here, "end": here}, "text": "a"})


@pytest.mark.parametrize(("text", "line"), [(FUNCTIONS, 25_003), (LONG_LINE, 1)], ids=["50,000 lines", "1 MB line"])
def test_a_request_that_can_be_answered_at_once_overtakes_the_work_on_a_huge_document(
    lsp: LspSession, engine: ScriptedEngine, scripted_engine: StartEngine, text: str, line: int
) -> None:
    scripted_engine("--steps", "2", "--step-ms", "200", "--middle", "print(first)")
    lsp.open(URI, text)
    for version in range(2, 8):
        typed(lsp, line, version - 2, version)
    asked = {"textDocument": {"uri": URI}, "position": position(line, 6), "context": {"triggerKind": 1}}
    at_once = b"".join(message("freeze/noSuchMethod", None, number) for number in (902, 903))
    lsp.raw(message("textDocument/inlineCompletion", asked, 901) + at_once)
    for number in (901, 902, 903):
        lsp.response(number)
    assert [number for number, _ in lsp.answered if number in (901, 902, 903)] == [902, 903, 901]
    prefix = engine.seen()[-1]["request"]["prefix"]
    assert prefix.endswith("\n" + "a" * 6)


def test_ghost_text_in_a_file_of_50000_lines_fits_it(lsp: LspSession, engine: ScriptedEngine) -> None:
    lsp.open(URI, FUNCTIONS)
    here = position(25_001, len("    value = 5000"))
    lsp.change(URI, 2, {"range": {"start": here, "end": here}, "text": "\n    "})
    (item,) = lsp.inline(URI, 25_002, 4)
    assert item["insertText"] == "print(first)"
    request = engine.seen()[-1]["request"]
    assert request["prefix"].endswith("def work_5000(first, second):\n    value = 5000\n    ")
    assert request["suffix"].startswith("\n    return value\n\n\ndef work_5001")


def test_nothing_is_offered_inside_a_line_that_nobody_wrote(lsp: LspSession, engine: ScriptedEngine) -> None:
    lsp.open(URI, LONG_LINE)
    assert lsp.inline(URI, 0, 500_000) is None
    assert engine.seen() == []


def test_while_another_program_rewrites_a_file_the_last_text_counts(lsp: LspSession, engine: ScriptedEngine) -> None:
    lsp.open(URI, FUNCTIONS)
    for version in range(2, 12):
        lsp.change(URI, version, {"text": f"{FUNCTIONS}# {version}\n"})
        last = lsp.start_inline(URI, 50_001, 0)
    assert lsp.response(last)["result"]
    assert engine.seen()[-1]["request"]["prefix"].endswith("\n# 11\n")


def test_the_status_is_told_while_a_line_of_one_long_word_is_filled(lsp: LspSession, engine: ScriptedEngine) -> None:
    """A picture within a line of Markdown: its letters are no code, but the line before the cursor."""

    def asked() -> float:
        begun = time.perf_counter()
        assert lsp.ask("dg/status")["result"]["state"] in ("ready", "busy")
        return time.perf_counter() - begun

    line = f"![](data:image/png;base64,{'iVBORw0KGgo' * 4_000})"
    lsp.open("file:///tmp/picture.md", f"{line}\n", "markdown")
    idle_s = median(asked() for _ in range(10))
    request, busy = lsp.start_inline("file:///tmp/picture.md", 0, len(line), trigger=1), [asked()]
    while request not in lsp.responses():
        busy.append(asked())
    assert median(busy) < max(0.05, 5 * idle_s)  # a busy machine is slow anyway
    assert lsp.response(request)["result"][0]["insertText"] == "print(first)"
