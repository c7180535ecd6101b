"""What the engine is shown beside the document, and what it never sees: a real `dg-lsp` process in a real workspace."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsp_session import URI, LspSession, ScriptedEngine, StartEngine, eventually

DEFINITION = "def convert(amount, rate):\n    return amount * rate"


@pytest.fixture
def engine(start: StartEngine, tmp_path: Path) -> ScriptedEngine:
    """The engine of a server whose workspace is `tmp_path`."""
    return start(workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "work"}], rootUri=tmp_path.as_uri())


def related(server: LspSession, engine: ScriptedEngine, uri: str, line: int) -> list[tuple[str, str]]:
    """Path and text of the snippets that the engine gets with a request at the start of a line."""
    server.inline(uri, line, 0, trigger=1)
    return [(snippet["path"], snippet["text"]) for snippet in engine.seen()[-1]["request"]["related"]]


def test_a_file_of_secrets_stays_silent_and_says_why(lsp: LspSession, engine: ScriptedEngine, tmp_path: Path) -> None:
    uri = (tmp_path / ".env").as_uri()
    lsp.open(uri, "TOKEN=1\n", "dotenv")
    assert lsp.inline(uri, 1, 0, trigger=1) is None
    assert lsp.code_actions(uri, 0, 0) == []
    assert "no suggestion: .env is on the list of secret files" in lsp.logged()
    silent = {"busy": False, "message": ".env is on the list of secret files", "kind": "Inactive"}
    assert lsp.statuses()[-1].items() >= silent.items()
    lsp.open(URI, "x = 1\n")
    assert lsp.inline(URI, 1, 0, trigger=1)
    assert lsp.statuses()[-1]["kind"] == "Normal"
    assert len(engine.seen()) == 1


def test_an_ignored_file_and_one_that_the_user_excludes_stay_silent(
    lsp: LspSession, start: StartEngine, tmp_path: Path
) -> None:
    (tmp_path / ".gitignore").write_text("build/\n")
    engine = start(
        workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "work"}], initializationOptions={"exclude": ["*_pb2.py"]}
    )
    for name in ("build/a.py", "api_pb2.py"):
        lsp.open((tmp_path / name).as_uri(), "x = 1\n")
        assert lsp.inline((tmp_path / name).as_uri(), 1, 0) is None
    assert "no suggestion: a.py is ignored by .gitignore" in lsp.logged()
    assert "no suggestion: api_pb2.py is excluded by the setting dg.exclude" in lsp.logged()
    assert engine.seen() == []


def test_definitions_in_open_and_imported_files_are_shown_and_nothing_excluded(
    lsp: LspSession, engine: ScriptedEngine, tmp_path: Path
) -> None:
    (tmp_path / "rates.py").write_text("def todays_rate(currency):\n    return RATES[currency]\n")
    (tmp_path / ".gitignore").write_text("private.py\n")
    (tmp_path / "private.py").write_text("def todays_margin():\n    return 1\n")
    lsp.open((tmp_path / "money.py").as_uri(), DEFINITION + "\n")
    lsp.open((tmp_path / "notes.rs").as_uri(), "fn convert() {}\n", "rust")
    uri = (tmp_path / "shop.py").as_uri()
    text = (
        "from rates import todays_rate\nfrom private import todays_margin\n\n\ntotal = convert(todays_rate('EUR'))\n\n"
    )
    lsp.open(uri, text)
    expected = {
        ("money.py", DEFINITION),
        ("rates.py", "def todays_rate(currency):\n    return RATES[currency]"),
    }
    eventually(lambda: set(related(lsp, engine, uri, 5)) == expected)


def test_the_place_left_a_moment_ago_is_shown(lsp: LspSession, engine: ScriptedEngine, tmp_path: Path) -> None:
    first, second = (tmp_path / "first.py").as_uri(), (tmp_path / "second.py").as_uri()
    lsp.open(first, "for order in orders:\n    ship(order)\n")
    lsp.open(second, "x = 1\n\n")
    lsp.inline(first, 2, 0, trigger=1)
    eventually(lambda: related(lsp, engine, second, 1) == [("first.py", "for order in orders:\n    ship(order)")])
