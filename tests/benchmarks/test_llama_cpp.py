"""The benchmark beside llama.cpp, without llama.cpp: its requests, its own side, its report. Never how fast."""

from __future__ import annotations

import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from benchmarks import fim_servers, llama_cpp
from benchmarks.fim_servers import LlamaCpp, Memory, memory_of, middle_of
from benchmarks.greedy import NEW_TOKENS, Continued, agreement, our_worker
from benchmarks.llama_cpp import Report, Row, main, table
from benchmarks.typing_session import sessions
from engine.evaluation.bench import BenchError, Spread
from engine.infill.loading import DEFAULT_MODEL


def test_a_session_types_lines_from_left_to_right() -> None:
    for requests in sessions(seed=0, count=4):
        assert [request.kind for request in requests].count("opened") == 1
        assert [request.kind for request in requests].count("new line") == 4
        for before, after in pairwise(requests):
            if after.kind == "typing":
                assert (after.above, after.below) == (before.above, before.below)
                assert after.head.startswith(before.head)
            else:
                assert after.above.startswith(before.above)
                assert after.above.count("\n") == before.above.count("\n") + 1
        assert all(request.above.endswith("\n") and request.below.endswith("\n") for request in requests)


def test_sessions_repeat_by_their_seed() -> None:
    assert sessions(seed=0, count=2) == sessions(seed=0, count=2)
    assert sessions(seed=0, count=2) != sessions(seed=1, count=2)


def test_our_own_side_answers() -> None:
    """The real engine and network with the shipped model."""
    request = sessions(seed=0, count=1)[0][0]

    with fim_servers.ours(DEFAULT_MODEL, threads=1) as server:
        assert "\n" not in server.complete(request)
        assert server.load_ms > 0
        assert 0 < server.memory().anonymous < server.memory().resident

    with our_worker(DEFAULT_MODEL, threads=1) as worker:
        continued = worker.continued("def add(a, b):\n")
    assert len(continued.ids) == NEW_TOKENS + 1
    assert "dg-lsp" in worker.version


def test_a_server_that_cannot_start_is_named_with_its_last_words() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such model')"]
    client = httpx.Client(base_url="http://127.0.0.1:9")

    with tempfile.TemporaryFile() as output, pytest.raises(BenchError, match=r"llama.cpp ended .*: no such model"):
        LlamaCpp(command, client, output)


def test_the_middle_of_a_fill() -> None:
    draft = 'event: draft\ndata: {"text": "x", "step": 1, "steps": 2}\n\n'
    assert middle_of(draft + 'event: done\ndata: {"candidates": [{"middle": "x = 1"}]}\n\n') == "x = 1"
    assert middle_of('event: done\ndata: {"candidates": []}\n\n') == ""
    with pytest.raises(BenchError, match="still loading"):
        middle_of('event: error\ndata: {"code": "loading", "message": "still loading"}\n\n')


def test_memory_of_a_process() -> None:
    rollup = "5581-7ffd ---p 00000000 00:00 0    [rollup]\nRss:   2048 kB\nPss:   1500 kB\nAnonymous:   1024 kB\n"
    assert memory_of(rollup) == Memory(resident=2.0, anonymous=1.0)


def test_greedy_tokens_are_compared_until_they_differ() -> None:
    ours = Continued(prompt_tokens=3, prefill_ms=1.0, token_ms=1.0, ids=[5, 6, 7, 8])

    assert agreement(ours, Continued(3, 2.0, 2.0, [5, 6, 9, 8])) == 2
    with pytest.raises(BenchError, match="3 tokens for dg-engine, 4 for"):
        agreement(ours, Continued(4, 2.0, 2.0, [5, 6, 7, 8]))


def test_the_table_shows_both_and_their_ratio() -> None:
    text = table(_report(load_before=0.1))
    assert "token" in text
    assert "20.0 [25.0, 19.0]" in text
    assert "2.00" in text
    assert "WARNING" not in text
    assert "WARNING" in table(_report(load_before=3.0))


def test_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gguf", str(tmp_path / "none.gguf")]) == llama_cpp.BAD_INPUT
    assert "none.gguf is not a file" in capsys.readouterr().err

    file = tmp_path / "model.gguf"
    file.touch()
    assert main(["--gguf", str(file), "--llama-python", str(tmp_path / "python")]) == llama_cpp.UNAVAILABLE
    error = capsys.readouterr().err
    assert "llama-cpp-python[server]" in error
    assert error.count("\n") == 1


def _report(load_before: float) -> Report:
    ms = {"dg-engine": Spread(20.0, 25.0, 19.0), "llama.cpp": Spread(10.0, 11.0, 9.0)}
    return Report(
        machine={"cpu": "a CPU", "cpus": 2, "system": "Linux"},
        versions={"dg-lsp": "1"},
        gguf="model.gguf",
        threads=2,
        seed=0,
        prompt_tokens=[590, 610],
        same_tokens=[40, 49],
        rows=[Row("one greedy token", 8, ms)],
        answered={"dg-engine": 0.9, "llama.cpp": 1.0},
        memory={"dg-engine": Memory(900, 800), "llama.cpp": Memory(700, 200)},
        load_before=load_before,
        load_after=1.0,
    )
