"""`dg-lsp demo` as a newcomer runs it: with the real engine, and with a scripted one for what can go wrong."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from lsp_session import ScriptedEngine, ScriptedEngines, eventually, short_folder

StartEngine = Callable[..., ScriptedEngine]
Begin = Callable[[], "subprocess.Popen[str]"]

DEMO = [sys.executable, "-m", "dg_lsp", "demo"]
HOLES = 4
STEP = re.compile(r"  step +(\d+)/(\d+) +\d+ of (\d+) accepted    (.*)    pinned: (.*)")


def started(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "DG_RUNTIME_DIR": str(folder), "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=110)
    return process.returncode, out, err


def alive_below(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # ended meanwhile
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def with_real_engine() -> Iterator[tuple[int, str, str]]:
    """One demonstration from nothing: it starts the engine itself."""
    with short_folder() as folder:
        try:
            yield outcome(started(folder))
        finally:
            environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
            subprocess.run([sys.executable, "-m", "engine.cli", "stop"], env=environment, capture_output=True)


@pytest.fixture
def begin(scripted_engines: tuple[Path, ScriptedEngines]) -> Begin:
    return lambda: started(scripted_engines[0])


def test_the_real_engine_is_started_and_every_hole_shown(with_real_engine: tuple[int, str, str]) -> None:
    status, out, err = with_real_engine
    assert (status, err) == (0, "")
    assert "It starts the engine, which loads its model ..." in out
    assert re.findall(r"^(\d)\. ", out, re.MULTILINE) == ["1", "2", "3", "4"]
    assert out.count("▁▁▁") == HOLES
    edits, kept = out.count("--- a/settings_store.py\n+++ b/settings_store.py\n@@ "), out.count("offers nothing here")
    assert edits + kept == HOLES


def test_the_canvas_settles_step_by_step_in_front_of_a_steady_suffix(with_real_engine: tuple[int, str, str]) -> None:
    sections = re.split(r"^\d\. ", with_real_engine[1], flags=re.MULTILINE)[1:]
    pinned = []
    for section in sections:
        steps = STEP.findall(section)
        assert steps
        for _, canvas in groupby(steps, key=lambda step: step[2]):
            numbers = [int(step[0]) for step in canvas]
            assert numbers == list(range(1, len(numbers) + 1))
        assert all("|" in gap for *_, gap, _ in steps)
        pinned.append({suffix for *_, suffix in steps})
    assert all(len(suffixes) == 1 for suffixes in pinned)
    assert pinned[0] == {'⏎⏎⏎class SettingsStore:⏎    """V'}
    assert pinned[1] == {'), encoding="utf-8")⏎⏎    def ge'}


def test_it_ends_with_the_time_of_each_part_and_how_to_connect_editors(with_real_engine: tuple[int, str, str]) -> None:
    times = with_real_engine[1].partition("\nTimes\n")[2]
    for part in ("dg-lsp, from its start", "the engine, until", "over LSP", "context", "denoise", "causal", "choose"):
        assert re.search(rf"^ *{part}.* [\d.]+( s)? *$", times, re.MULTILINE), part
    assert re.search(r'^  vim\.lsp\.config\("dg", \{ cmd = \{ ".*dg-lsp" \}, filetypes = \{ .* \} \}\)$', times, re.M)
    assert '\n  vim.lsp.enable("dg")\n  vim.lsp.inline_completion.enable()\nVS Code: ' in times
    assert times.endswith("`dg-engine stop` ends it now.\n")


def test_the_answer_over_lsp_becomes_an_edit(begin: Begin, scripted_engine: StartEngine) -> None:
    engine = scripted_engine("--middle", "answer(1)")
    status, out, err = outcome(begin())
    assert (status, err) == (0, "")
    assert "\n-        self.known = \n+        self.known = answer(1)\n" in out
    assert "\n-        pass\n+        answer(1)\n" in out
    assert out.count("The answer is denoised") == HOLES
    over_lsp, watched = (seen["request"] for seen in engine.seen()[-2:])
    assert "json.dumps(answer(1))" in over_lsp["prefix"], "the document that is filled holds the edits before"
    for field in ("prefix", "suffix", "max_tokens", "single_line", "seed"):
        assert over_lsp[field] == watched[field]


def test_a_model_with_nothing_to_offer_is_said_and_no_failure(begin: Begin, scripted_engine: StartEngine) -> None:
    scripted_engine("--middle", " ")
    status, out, err = outcome(begin())
    assert (status, err) == (0, "")
    assert out.count("offers nothing here") == HOLES
    assert "+++" not in out


@pytest.mark.parametrize(
    ("script", "complaint"), [("--load-error", "the model is broken"), ("--fail-at-step", "the script says so")]
)
def test_no_engine_is_one_line_and_status_3(
    begin: Begin, scripted_engine: StartEngine, script: str, complaint: str
) -> None:
    scripted_engine(script, complaint if script == "--load-error" else "1")
    status, _, err = outcome(begin())
    assert status == 3
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_no_place_for_the_engine_is_one_line_and_status_3(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, _, err = outcome(started(tmp_path / "file" / "in"))
    assert status == 3
    assert "set DG_RUNTIME_DIR to a folder of your own" in err
    assert len(err.splitlines()) == 1


def test_ctrl_c_is_quiet_and_leaves_no_server_behind(begin: Begin, scripted_engine: StartEngine) -> None:
    engine = scripted_engine("--steps", "1000", "--step-ms", "10")
    process = begin()
    eventually(lambda: bool(engine.seen()))
    servers = alive_below(process.pid)
    assert servers
    process.send_signal(signal.SIGINT)
    status, _, err = outcome(process)
    assert (status, err) == (130, "")
    assert not any(Path(f"/proc/{server}").exists() for server in servers)
    assert engine.process.poll() is None


def test_a_terminal_gets_colours_and_one_moving_canvas(
    scripted_engines: tuple[Path, ScriptedEngines], scripted_engine: StartEngine
) -> None:
    scripted_engine("--steps", "2")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "DG_RUNTIME_DIR": str(scripted_engines[0]), "TERM": "xterm-256color"}
    process = subprocess.Popen(DEMO, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    up = rb"\x1b\[1A"  # the second step is drawn over the first
    assert len(re.findall(rb"step  1/2[^\n]*\n[^\n]*\n[^\n]*" + up, shown)) == HOLES
    assert b"\x1b[32m+        self.known = scripted()" in shown
