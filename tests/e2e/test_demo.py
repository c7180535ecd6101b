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

import httpx
import pytest
from lsp_session import ScriptedEngine, ScriptedEngines, eventually, scripted_cli, short_folder

StartEngine = Callable[..., ScriptedEngine]
Begin = Callable[[], "subprocess.Popen[str]"]
Unasked = Callable[..., tuple[Path, "subprocess.Popen[str]"]]

DEMO = [sys.executable, "-m", "dg_lsp", "demo"]
SMALL = "qwen2.5-coder-0.5b"
HOLES = 4
STEP = re.compile(r"  step +(\d+)/(\d+) +\d+ of (\d+) accepted    (.*)    pinned: (.*)")


def started(folder: Path, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DG_RUNTIME_DIR": str(folder), "PYTHONIOENCODING": "utf-8", **more}
    return subprocess.Popen(
        DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def outcome(process: subprocess.Popen[str], within_s: float = 110) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=within_s)
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


def stop_engine(folder: Path) -> None:
    environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
    subprocess.run([sys.executable, "-m", "engine.cli", "stop"], env=environment, capture_output=True)


@pytest.fixture(scope="module")
def with_real_engine() -> Iterator[tuple[int, str, str]]:
    """One demonstration from nothing: it starts the engine itself."""
    with short_folder() as folder:
        try:
            yield outcome(started(folder))
        finally:
            stop_engine(folder)


@pytest.fixture
def begin(scripted_engines: tuple[Path, ScriptedEngines]) -> Begin:
    return lambda: started(scripted_engines[0], DG_MODEL="scripted")


@pytest.fixture
def unasked() -> Iterator[Unasked]:
    """A demonstration whose user names no model, with a scripted `dg-engine`, in a folder with these files."""
    with short_folder() as folder:

        def start(*files: str) -> tuple[Path, subprocess.Popen[str]]:
            for name in files:
                (folder / name).touch()
            return folder, started(folder, DG_MODEL="", **scripted_cli())

        yield start
        if (folder / "engine.sock").exists():  # none was started where the download was interrupted
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(folder / "engine.sock"))) as client:
                os.kill(client.get("http://engine/health").json()["pid"], signal.SIGKILL)


def test_without_a_named_model_a_small_one_is_downloaded_and_its_size_said_first(
    unasked: Unasked,
) -> None:
    folder, process = unasked()
    status, out, err = outcome(process)
    assert (status, err) == (0, "")
    assert out.startswith("Downloading the model small: 491 MB, once.\n")
    assert (folder / "small.gguf").exists()
    assert "\nReady: small on none.\n" in out


def test_a_model_that_is_here_is_not_downloaded_again(
    unasked: Unasked,
) -> None:
    _, process = unasked("small.gguf")
    status, out, _ = outcome(process)
    assert status == 0
    assert "Downloading" not in out


def test_without_a_network_the_model_in_the_package_is_used_and_that_is_said(
    unasked: Unasked,
) -> None:
    _, process = unasked("no_network")
    status, out, err = outcome(process)
    assert (status, err) == (0, "")
    why = "small cannot be fetched (no network): put the file there by --from PATH."
    assert f"\n{why}\nThe demo goes on with dg-default, the weak model in the package.\n" in out
    assert "\nReady: dg-default on none.\n" in out


def test_ctrl_c_ends_a_download(unasked: Unasked) -> None:
    folder, process = unasked("slow_download")
    eventually((folder / "downloading").exists)
    process.send_signal(signal.SIGINT)
    status, _, err = outcome(process)
    assert (status, err) == (130, "")
    assert not Path(f"/proc/{(folder / 'downloading').read_text()}").exists()


def test_a_named_model_takes_the_place_of_the_one_that_runs(
    unasked: Unasked,
) -> None:
    folder, process = unasked("small.gguf")
    assert outcome(process)[0] == 0
    status, out, err = outcome(started(folder, DG_MODEL="small", **scripted_cli()))
    assert (status, err) == (0, "")
    assert "It finds an engine that runs dg-default.\nReady: small, in the place of dg-default.\n" in out


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
    assert pinned[1] == {", indent=2)⏎        self.path.wr"}


def test_it_ends_with_the_time_of_each_part_and_how_to_connect_editors(with_real_engine: tuple[int, str, str]) -> None:
    times = with_real_engine[1].partition("\nTimes\n")[2]
    for part in ("dg-lsp, from its start", "the engine, until", "over LSP", "context", "denoise", "causal", "choose"):
        assert re.search(rf"^ *{part}.* [\d.]+( s)? *$", times, re.MULTILINE), part
    assert re.search(
        r'^  vim\.opt\.runtimepath:prepend\("/.*/editors/nvim"\)\n'
        r'  require\("dg"\)\.setup\(\{ keys = \{ accept = "<C-l>" \} \}\)\nVS Code: ',
        times,
        re.MULTILINE,
    )
    commands = re.findall(r"^  (\S*dg-lsp|\S*dg-engine stop)$", times, re.MULTILINE)
    assert [re.sub("^/.*/", "", command) for command in commands] == ["dg-lsp", "dg-engine stop"]
    assert times.endswith("dg-engine stop\n")


def test_the_answer_over_lsp_becomes_an_edit(begin: Begin, scripted_engine: StartEngine) -> None:
    engine = scripted_engine("--middle", "answer(1)")
    status, out, err = outcome(begin())
    assert (status, err) == (0, "")
    assert "\n-        self.known = \n+        self.known = answer(1)\n" in out
    assert "\n-        pass\n+        answer(1)\n" in out
    assert len(re.findall(r"^The answer is what the canvas settled on \(\d+ % sure\)\.$", out, re.MULTILINE)) == HOLES
    assert out.count("A canvas: ") == 1
    assert "\n0 of 4 gaps are filled as the file's author did.\n" in out
    over_lsp, watched = (seen["request"] for seen in engine.seen()[-2:])
    assert "json.dumps(answer(1), indent" in over_lsp["prefix"], "the document that is filled holds the edits before"
    for field in ("prefix", "suffix", "max_tokens", "single_line", "seed"):
        assert over_lsp[field] == watched[field]


def test_an_answer_as_the_author_wrote_it_is_told_and_counted(begin: Begin, scripted_engine: StartEngine) -> None:
    scripted_engine("--middle", "known")
    status, out, _ = outcome(begin())
    assert status == 0
    assert out.count("The file's author wrote exactly this.") == 1
    assert "The file's author wrote: return self.values[key]\n" in out
    assert "\n1 of 4 gaps are filled as the file's author did.\n" in out


def test_drafts_of_a_model_without_a_canvas_grow(begin: Begin, scripted_engine: StartEngine) -> None:
    scripted_engine("--no-canvas", "--steps", "5", "--middle", "answer(1)")
    status, out, _ = outcome(begin())
    assert status == 0
    steps = re.findall(r"^  step +(\d)/5  self\.known = (.*)$", out, re.MULTILINE)
    assert steps == [("1", "ans"), ("2", "answer"), ("4", "answer(1)")]
    assert "canvas" not in out
    assert (
        len(
            re.findall(
                r"^The answer is the best of several drafts written from left to right \(\d+ % sure\)\.$", out, re.M
            )
        )
        == HOLES
    )


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


def in_a_terminal(folder: Path, columns: int = 80) -> bytes:
    """All that a demonstration writes to a terminal."""
    ours, theirs = pty.openpty()
    more = {"DG_RUNTIME_DIR": str(folder), "DG_MODEL": "scripted", "TERM": "xterm-256color", "COLUMNS": str(columns)}
    process = subprocess.Popen(DEMO, env={**os.environ, **more}, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return shown


def test_a_terminal_gets_colours_and_one_moving_canvas(
    scripted_engines: tuple[Path, ScriptedEngines], scripted_engine: StartEngine
) -> None:
    scripted_engine("--steps", "2")
    shown = in_a_terminal(scripted_engines[0])
    up = rb"\x1b\[1A"  # the second step is drawn over the first
    assert len(re.findall(rb"step  1/2[^\n]*\n[^\n]*\n[^\n]*" + up, shown)) == HOLES
    assert b"\x1b[32m+        self.known = scripted()" in shown


def test_no_line_is_wider_than_the_terminal(
    scripted_engines: tuple[Path, ScriptedEngines], scripted_engine: StartEngine
) -> None:
    scripted_engine("--no-canvas", "--middle", f"total({', '.join(f'number_{n}' for n in range(12))})")
    shown = in_a_terminal(scripted_engines[0]).decode()
    lines = lines_of(shown)
    assert max(map(len, lines)) <= 80
    assert any(re.search(r"number_\d, *$", line) for line in lines), "wrapped between words"


def lines_of(shown: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.replace("\r", "\n")).split("\n")


def test_a_terminal_gets_no_broken_word(
    scripted_engines: tuple[Path, ScriptedEngines], scripted_engine: StartEngine, begin: Begin
) -> None:
    """What a terminal shows is made of the words that a file gets, but for the lines of a spinner."""
    scripted_engine("--no-canvas", "--steps", "1", "--middle", "x")
    shown, (_, out, _) = in_a_terminal(scripted_engines[0]).decode(), outcome(begin())
    words, known = (set(re.findall(r"[A-Za-z_]{3,}", text)) for text in ("\n".join(lines_of(shown)), out))
    assert words - known <= {"Starting", "Asking", "with"}


@pytest.mark.timeout(900)
def test_the_small_model_fills_three_of_the_four_gaps_as_the_author_did() -> None:
    models = Path(os.environ.get("DG_MODELS_DIR", Path.home() / ".cache" / "dg-lsp" / "models"))
    if not (models / SMALL).is_dir():
        pytest.skip(f"{SMALL} is not in {models}: run dg-engine download {SMALL}")
    with short_folder() as folder:
        try:
            status, out, err = outcome(started(folder, DG_MODEL=SMALL), within_s=800)
        finally:
            stop_engine(folder)
    assert (status, err) == (0, "")
    right = re.search(r"^(\d) of 4 gaps are filled as the file's author did\.$", out, re.MULTILINE)
    assert right, out
    assert int(right[1]) >= 3, out
