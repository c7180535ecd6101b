"""`dg-lsp fill` as a user runs it: output, exit status and one clear line for everything that can go wrong."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lsp_session import ScriptedEngine, ScriptedEngines, eventually, short_folder

from dg_lsp.cli import main

StartEngine = Callable[..., ScriptedEngine]
Command = Callable[..., "subprocess.Popen[str]"]

STUB = 'def area(width, height):\n    """Area."""\n    pass\n'


@pytest.fixture
def begin(scripted_engines: tuple[Path, ScriptedEngines]) -> Command:
    """Begins `dg-lsp` with arguments."""

    def begin(*arguments: str, runtime_folder: Path = scripted_engines[0]) -> subprocess.Popen[str]:
        environment = {**os.environ, "DG_RUNTIME_DIR": str(runtime_folder)}
        command = [sys.executable, "-m", "dg_lsp", *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    return begin


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def written(folder: Path, text: str | bytes, name: str = "sample.py") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_the_middle_is_printed_for_a_cursor(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    engine = scripted_engine("--middle", "x + 1")
    path = written(tmp_path, "y = 😀\n", "with:colons.py")
    assert outcome(begin("fill", f"{path}:1:6")) == (0, "x + 1\n", "")
    request = engine.seen()[0]["request"]
    assert (request["prefix"], request["suffix"], request["single_line"]) == ("y = 😀", "\n", True)


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What `dg-lsp` writes to a terminal, with its escape sequences and "\n" line ends."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "DG_RUNTIME_DIR": str(folder), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dg_lsp", *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return shown.decode().replace("\r\n", "\n")


GREEN, PLAIN = "\x1b[1;32m", "\x1b[0m"


@pytest.mark.parametrize(
    ("text", "place", "middle", "shown"),
    [
        ("y = f(, 2)\nz = 1\n", ":1:7", "x + 1", f"y = f({GREEN}x + 1{PLAIN}, 2)\n"),
        (STUB, ":3:5", "a = 1\nreturn a", f"    {GREEN}a = 1{PLAIN}\n{GREEN}    return a{PLAIN}\n"),
        ("y = \r\n", ":1:5", "'\x1b[2J'", f"y = {GREEN}'�[2J'{PLAIN}\n"),
    ],
)
def test_on_a_terminal_the_middle_stands_in_its_lines_in_a_colour(
    scripted_engines: tuple[Path, ScriptedEngines],
    scripted_engine: StartEngine,
    tmp_path: Path,
    text: str,
    place: str,
    middle: str,
    shown: str,
) -> None:
    scripted_engine("--middle", middle)
    path = written(tmp_path, text)
    assert on_a_terminal(scripted_engines[0], "fill", path + place).endswith(shown)
    several = on_a_terminal(scripted_engines[0], "fill", path + place, "--candidates", "2")
    assert re.search(rf"--- 1 of 1: \d+% sure, denoised\n{re.escape(shown)}$", several)


def test_json_names_the_range_that_the_middle_replaces_and_how_it_was_made(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    engine = scripted_engine("--steps", "4", "--middle", "return width * height", "--middle", "return 0")
    path = written(tmp_path, STUB)
    status, out, err = outcome(
        begin("fill", f"{path}:3:5", "--json", "--candidates", "2", "--max-tokens", "9", "--seed", "5")
    )
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "middle": "return width * height",
        "range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 8}},
        "finish_reason": "stop",
        "steps": 4,
        "confidence": 0.5,
        "source": "denoised",
        "candidates": [
            {"middle": "return width * height", "source": "denoised", "confidence": 0.5, "line_confidence": []},
            {"middle": "return 0", "source": "denoised", "confidence": 0.5, "line_confidence": []},
        ],
        "model": "scripted",
        "timings_ms": {"total": 1.0},
    }
    request = engine.seen()[0]["request"]
    assert (request["candidates"], request["max_tokens"], request["seed"]) == (5, 9, 5)


@pytest.mark.parametrize(("line", "column", "filled"), [(3, 1, "pass"), (3, 9, "pass"), (2, 8, ""), (1, 5, "")])
def test_a_cursor_in_a_stub_fills_the_stub_and_one_beside_it_the_cursor(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path, line: int, column: int, filled: str
) -> None:
    engine = scripted_engine("--middle", "new_")
    assert outcome(begin("fill", f"{written(tmp_path, STUB)}:{line}:{column}"))[0] == 0
    request = engine.seen()[0]["request"]
    assert request["prefix"] + filled + request["suffix"] == STUB


def test_a_begun_body_is_gone_on_with(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    engine = scripted_engine("--middle", "pi * radius**2")
    path = written(tmp_path, "import math\n\n\ndef area(radius):\n    return math.\n")
    assert outcome(begin("fill", f"{path}:5:17")) == (0, "pi * radius**2\n", "")
    request = engine.seen()[0]["request"]
    assert (request["prefix"][-5:], request["suffix"], request["single_line"]) == ("math.", "\n", True)


def test_blanks_alone_are_nothing_to_offer(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    scripted_engine("--middle", " \n")
    status, out, err = outcome(begin("fill", written(tmp_path, STUB) + ":1:1", "--json"))
    assert (status, out, err) == (1, "", "dg-lsp: nothing to offer: the answer was blank\n")


@pytest.mark.parametrize(
    ("content", "place", "complaint"),
    [
        (None, ":1:1", "sample.py"),
        (b"a\x00b", ":1:1", "binary"),
        (b"x" * 5_000_000, ":1:1", "MiB"),
        (b"a = 1\n", ":3:1", "line 3 is beyond the end of the file, which has 2 lines"),
        (b"a = 1\n", ":1:7", "column 7 is beyond the end of line 1, which has 5 characters"),
        (b"a = 1\n", ":1", "is not PATH:LINE:COLUMN with both numbers from 1 up"),
        (b"a = 1\n", ":0:1", "is not PATH:LINE:COLUMN with both numbers from 1 up"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, place: str, complaint: str
) -> None:
    path = written(tmp_path, content) if content is not None else str(tmp_path / "sample.py")
    try:
        status = main(["fill", path + place])
    except SystemExit as stop:  # argparse's way
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert complaint in err.splitlines()[-1]


def test_a_link_that_leads_round_in_a_circle_is_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    assert main(["fill", f"{tmp_path}/loop.py:1:1"]) == 2
    assert "loop.py cannot be read: Too many levels of symbolic links" in capsys.readouterr().err


def test_an_answer_is_utf8_in_every_locale(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    scripted_engine("--middle", "return 'é😀'")
    path = written(tmp_path, "# ü\n" + STUB)
    assert outcome(begin("fill", f"{path}:4:5")) == (0, "return 'é😀'\n", "")
    status, out, err = outcome(begin("fill", f"{path}:4:5", "--apply", "--yes"))
    assert (status, err) == (0, "")
    assert "+    return 'é😀'" in out


def test_an_answer_that_cannot_be_printed_is_one_line_and_status_2(
    scripted_engines: tuple[Path, ScriptedEngines], scripted_engine: StartEngine, tmp_path: Path
) -> None:
    scripted_engine("--middle", "return 1")
    environment = {**os.environ, "DG_RUNTIME_DIR": str(scripted_engines[0])}
    command = [sys.executable, "-m", "dg_lsp", "fill", written(tmp_path, STUB) + ":3:5"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == "dg-lsp: the answer cannot be printed: No space left on device\n"


def test_an_engine_that_cannot_load_is_status_3(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    scripted_engine("--load-error", "the model is broken")
    status, out, err = outcome(begin("fill", written(tmp_path, STUB) + ":1:1"))
    assert (status, out) == (3, "")
    assert "the model is broken" in err
    assert len(err.splitlines()) == 1


def test_no_place_for_the_engine_is_status_3(begin: Command, tmp_path: Path) -> None:
    path = written(tmp_path, STUB)
    status, out, err = outcome(begin("fill", path + ":1:1", runtime_folder=Path(path) / "in"))
    assert (status, out) == (3, "")
    assert "set DG_RUNTIME_DIR to a folder of your own" in err


def test_ctrl_c_is_quiet_and_stops_the_engine(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    engine = scripted_engine("--steps", "1000", "--step-ms", "10")
    process = begin("fill", written(tmp_path, STUB) + ":1:1")
    eventually(lambda: bool(engine.seen()))
    process.send_signal(signal.SIGINT)
    assert outcome(process) == (130, "", "")
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_the_real_engine_is_started_on_demand_and_outlives_the_command(begin: Command, tmp_path: Path) -> None:
    with short_folder() as folder:
        stop = [sys.executable, "-m", "engine.cli", "stop"]
        try:
            status, out, err = outcome(
                begin("fill", written(tmp_path, STUB) + ":3:5", "--json", "--max-tokens", "8", runtime_folder=folder)
            )
            assert status in (0, 1), err
            assert status == 1 or json.loads(out)["model"]
            assert (folder / "engine.sock").is_socket()
        finally:
            subprocess.run(stop, env={**os.environ, "DG_RUNTIME_DIR": str(folder)}, check=True, capture_output=True)
        assert not (folder / "engine.sock").exists()


def test_an_engine_is_started_with_the_model_and_the_device_that_are_named(begin: Command, tmp_path: Path) -> None:
    path = written(tmp_path, STUB)
    with short_folder() as folder:
        named = ("--model", "no/such-model", "--device", "cpu")
        try:
            status, _, err = outcome(begin("fill", f"{path}:3:5", *named, runtime_folder=folder))
            assert (status, "no/such-model" in err) == (3, True)
        finally:
            stop = [sys.executable, "-m", "engine.cli", "stop"]
            subprocess.run(stop, env={**os.environ, "DG_RUNTIME_DIR": str(folder)}, check=True, capture_output=True)
    status, _, err = outcome(begin("fill", f"{path}:3:5", "--device", "tpu"))
    assert (status, "invalid choice: 'tpu'" in err) == (2, True)


# Which files, which holes


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (".env.py.env", "KEY = 1\n", "is on the list of secret files"),
        ("build.py", "a = 1\n", "build.py is ignored by .gitignore"),
        ("long.py", "#" * 6_000 + "\n", "line 1 of long.py is longer than 5,000 characters"),
    ],
)
def test_a_file_that_is_left_out_is_status_2_and_filled_where_that_is_asked_for(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    engine = scripted_engine("--middle", "x + 1")
    (tmp_path / ".git").mkdir()
    written(tmp_path, "build.py\n", ".gitignore")
    path = written(tmp_path, text, name)
    status, out, err = outcome(begin("fill", f"{path}:1:1"))
    assert (status, out) == (2, "")
    assert complaint in err
    assert err.endswith(": add --any-file to have it filled all the same\n")
    assert engine.seen() == []
    assert outcome(begin("fill", f"{path}:1:1", "--any-file")) == (0, "x + 1\n", "")


def test_what_the_file_imports_is_shown_to_the_model(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    engine = scripted_engine()
    written(tmp_path, "def area(width, height):\n    return width * height\n", "shapes.py")
    path = written(tmp_path, "from shapes import area\n\nprint(area())\n")
    assert outcome(begin("fill", f"{path}:3:12"))[0] == 0
    (snippet,) = engine.seen()[0]["request"]["related"]
    assert snippet == {"path": "shapes.py", "text": "def area(width, height):\n    return width * height"}


def test_what_is_excluded_is_not_filled_and_shown_to_no_model(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    engine = scripted_engine("--middle", "x + 1")
    written(tmp_path, "def area(width, height):\n    return width * height\n", "shapes.py")
    path = written(tmp_path, "from shapes import area\n\nprint(area())\n")
    assert outcome(begin("fill", f"{path}:3:12", "--exclude", "*.md", "--exclude", "shapes.py"))[0] == 0
    assert engine.seen()[0]["request"]["related"] == []
    status, _, err = outcome(begin("fill", f"{path}:3:12", "--exclude", "sample.py"))
    assert (status, "sample.py is excluded" in err) == (2, True)
    secret = written(tmp_path, "KEY = 1\n", ".env.py.env")
    assert outcome(begin("fill", f"{secret}:1:1", "--exclude", "!.env.py.env")) == (0, "x + 1\n", "")


CALLS = "def area(width, height):\n    if width:\n        return scaled(width, 2)\n    return 0\n"


@pytest.mark.parametrize(
    ("place", "options", "filled"),
    [
        (":3:23", ["--hole", "arguments"], "width, 2"),
        (":2:8", ["--hole", "condition"], "width"),
        (":3:23", ["--hole", "cursor"], ""),
        (":3:16-3:22", [], "scaled"),
        (":3:22-3:16", [], "scaled"),
        (":3:1-4:5", [], "return scaled(width, 2)\n    return 0"),
    ],
)
def test_a_kind_of_hole_or_a_selection_is_filled(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path, place: str, options: list[str], filled: str
) -> None:
    engine = scripted_engine("--middle", "height")
    assert outcome(begin("fill", written(tmp_path, CALLS) + place, *options))[0] == 0
    request = engine.seen()[0]["request"]
    assert request["prefix"] + filled + request["suffix"] == CALLS


@pytest.mark.parametrize(
    ("kind", "place", "middle", "filled"),
    [
        ("todo", ":2:9", "return width * height", "    # TODO: multiply\n    return width * height\n    return 0\n"),
        ("docstring", ":1:9", "Multiplies.", '    # TODO: multiply\n    """Multiplies."""\n    return 0\n'),
    ],
)
def test_a_todo_and_a_docstring_get_a_line_of_their_own(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path, kind: str, place: str, middle: str, filled: str
) -> None:
    scripted_engine("--middle", middle)
    head = "def area(width, height):\n"
    path = Path(written(tmp_path, head + "    # TODO: multiply\n    return 0\n"))
    status, out, err = outcome(begin("fill", f"{path}{place}", "--hole", kind, "--apply", "--yes", "--json"))
    assert (status, err) == (0, "")
    assert path.read_text() == head + filled
    assert middle in json.loads(out)["middle"]


def test_a_selection_that_would_stay_as_it_is_is_nothing_to_offer(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    scripted_engine("--middle", "scaled", "--middle", "doubled")
    path = written(tmp_path, CALLS)
    assert outcome(begin("fill", f"{path}:3:16-3:22")) == (0, "doubled\n", "")
    scripted_engine("--middle", "scaled")
    why = "dg-lsp: nothing to offer: the model has no other answer\n"
    assert outcome(begin("fill", f"{path}:3:16-3:22")) == (1, "", why)
    blanks = written(tmp_path, "width = 1  \nheight = 2 \n")  # nobody sees whether these stay
    scripted_engine("--middle", "width = 1\nheight = 2", "--middle", "height = 1\nwidth = 2")
    assert outcome(begin("fill", f"{blanks}:1:1-2:12")) == (0, "height = 1\nwidth = 2\n", "")


def test_several_candidates_are_numbered_and_distinct(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    scripted_engine("--middle", "width()", "--middle", "height()", "--middle", "width()")
    status, out, _ = outcome(begin("fill", written(tmp_path, STUB) + ":3:5", "--candidates", "3"))
    assert status == 0
    assert out == "--- 1 of 2: 50% sure, denoised\nwidth()\n--- 2 of 2: 50% sure, denoised\nheight()\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([":1:1", "--apply"], "nobody is there to answer: add --yes"),
        ([":1:1", "--apply", "--yes", "--candidates", "2"], "leave out --candidates"),
        ([":1:1", "--yes"], "--yes goes with --apply"),
        ([":1:1", "--path", "a.py"], "--path is for a text from stdin"),
        ([":1:1-1:2", "--hole", "function"], "leave out --hole"),
        ([":1:1", "--seed", "99999999999999999999"], "seed must be at least -2^63 and less than 2^64"),
        ([":1:1", "--hole", "condition"], "there is no hole of the kind 'condition' at line 1, column 1"),
    ],
)
def test_options_that_do_not_fit_are_status_2(
    begin: Command, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    place, *options = arguments
    status, out, err = outcome(begin("fill", written(tmp_path, "a = 1\n") + place, *options))
    assert (status, out) == (2, "")
    assert complaint in err


# Writing


def test_applying_shows_the_change_and_writes_it_as_the_file_is_kept(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    """Mark, line endings, mode and the link to the file stay."""
    scripted_engine("--middle", "if not width:\n        return 0\n    return width * height")
    path = Path(written(tmp_path, "\ufeff# é\r\n" + STUB.replace("\n", "\r\n") + "x = 1"))
    path.chmod(0o754)
    link = tmp_path / "link.py"
    link.symlink_to(path)
    status, out, err = outcome(begin("fill", f"{link}:4:5", "--apply", "--yes"))
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"--- {link}",
        f"+++ {link}",
        "@@ -1,5 +1,7 @@",
        " \ufeff# é",
        " def area(width, height):",
        '     """Area."""',
        "-    pass",
        "+    if not width:",
        "+        return 0",
        "+    return width * height",
        " x = 1",
    ]
    body = "    if not width:\r\n        return 0\r\n    return width * height\r\n"
    expected = '\ufeff# é\r\ndef area(width, height):\r\n    """Area."""\r\n' + body + "x = 1"
    assert path.read_bytes() == expected.encode()
    assert path.stat().st_mode & 0o777 == 0o754
    assert link.is_symlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.py", "sample.py"]


def test_a_file_that_was_changed_meanwhile_is_not_written(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    engine = scripted_engine("--steps", "100", "--step-ms", "10", "--middle", "return 1")
    path = Path(written(tmp_path, STUB))
    process = begin("fill", f"{path}:3:5", "--apply", "--yes")
    eventually(lambda: bool(engine.seen()))
    path.write_text("mine\n")
    status, _, err = outcome(process)
    assert (status, path.read_text()) == (2, "mine\n")
    assert "was changed meanwhile and stays as it is" in err
    assert [file.name for file in tmp_path.iterdir()] == ["sample.py"]


@pytest.mark.parametrize(("answer", "status", "body"), [("y", 0, "return 1"), ("n", 1, "pass"), ("", 1, "pass")])
def test_at_a_terminal_the_user_is_asked_and_sees_colours(
    scripted_engines: tuple[Path, ScriptedEngines],
    scripted_engine: StartEngine,
    tmp_path: Path,
    answer: str,
    status: int,
    body: str,
) -> None:
    scripted_engine("--middle", "return 1")
    path = Path(written(tmp_path, STUB))
    environment = {**os.environ, "DG_RUNTIME_DIR": str(scripted_engines[0]), "TERM": "xterm", "COLUMNS": "200"}
    environment.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dg_lsp", "fill", f"{path}:3:5", "--apply"]
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, f"{answer}\n".encode())
    assert process.wait(30) == status
    os.close(ours)
    assert b"\x1b[32m+    return 1" in seen
    assert b"\x1b[31m-    pass" in seen
    assert path.read_text() == STUB.replace("pass", body)


@pytest.fixture
def piped(scripted_engines: tuple[Path, ScriptedEngines]) -> Callable[..., tuple[int, str, str]]:
    """Runs `dg-lsp` with a text on its stdin."""

    def piped(text: str, *arguments: str) -> tuple[int, str, str]:
        environment = {**os.environ, "DG_RUNTIME_DIR": str(scripted_engines[0])}
        command = [sys.executable, "-m", "dg_lsp", *arguments]
        done = subprocess.run(command, env=environment, input=text.encode(), capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return piped


Piped = Callable[..., tuple[int, str, str]]


def test_a_text_from_stdin_is_filled_as_the_file_that_is_named(
    piped: Piped, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    engine = scripted_engine("--middle", "return 1")
    assert piped(STUB, "fill", "-:3:5", "--path", str(tmp_path / "new.py")) == (0, "return 1\n", "")
    assert piped("\n", "fill", "-:1:1", "--language", "typescript") == (0, "return 1\n", "")
    named, unnamed = (fill["request"] for fill in engine.seen())
    assert (named["path"], named["language"], named["suffix"]) == ("new.py", "python", "\n")
    assert unnamed["language"] == "typescript"


def test_a_text_from_stdin_comes_out_whole_filled_or_not(piped: Piped, scripted_engine: StartEngine) -> None:
    text = STUB.replace("\n", "\r\n")
    scripted_engine("--middle", "return 1")
    filled = piped(text, "fill", "-:3:5", "--apply", "--language", "python")
    assert filled == (0, text.replace("pass", "return 1"), "")
    scripted_engine("--middle", "  ")
    assert piped(text, "fill", "-:3:5", "--apply", "--language", "python")[:2] == (1, text)
    assert piped(text, "fill", "-:30:5", "--apply")[:2] == (2, text)
    assert piped("SECRET=1\n", "fill", "-:1:1", "--apply", "--path", ".env")[:2] == (2, "SECRET=1\n")


def test_a_closed_stdin_is_an_empty_text(tmp_path: Path) -> None:
    closed = 'exec "$@" <&-'
    for place, complaint in (("-:9:1", "line 9 is beyond the end"), (written(tmp_path, STUB) + ":3:5", "add --yes")):
        command = [sys.executable, "-m", "dg_lsp", "fill", place, "--apply"]
        done = subprocess.run(["sh", "-c", closed, "sh", *command], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert complaint in done.stderr
        assert len(done.stderr.splitlines()) == 1
