"""What travels between the language server and the engine."""

import json
from pathlib import Path

import pytest

from engine.protocol import (
    Candidate,
    Draft,
    FillError,
    FillRequest,
    FillResult,
    Health,
    ProtocolError,
    Snippet,
    from_json,
    log_path,
    runtime_folder,
    socket_path,
    to_json,
)

REQUEST = FillRequest(
    prefix="def f():\n    ",
    suffix="\n",
    language="python",
    path="f.py",
    related=(Snippet(path="g.py", text="x = 1\n"),),
    max_tokens=32,
    max_steps=8,
    deadline_ms=250.5,
    candidates=2,
    single_line=True,
    max_lines=1,
    forbidden_starts=("pass", "..."),
    priority="automatic",
    seed=7,
)
RESULT = FillResult(
    candidates=(Candidate(middle="return 1", source="denoised", confidence=0.9),),
    finish_reason="stop",
    steps=4,
    model="m",
    timings_ms={"total": 12.5},
    threshold=0.6,
)
HEALTH = Health(state="loading", progress=0.5, model="m", device="cpu", version="1", pid=2, languages=("python",))
DRAFT = Draft(text="ab", step=1, steps=4, slots=("a", "b"), settled=(True, False), pinned="c")


@pytest.mark.parametrize(
    "message", [REQUEST, RESULT, HEALTH, DRAFT, FillError(code="engine", message="?")], ids=lambda m: type(m).__name__
)
def test_a_message_survives_the_wire(message: object) -> None:
    assert from_json(type(message), json.loads(json.dumps(to_json(message)))) == message


def test_a_request_needs_only_a_prefix() -> None:
    assert from_json(FillRequest, {"prefix": "x"}) == FillRequest(prefix="x")


@pytest.mark.parametrize(
    ("middle", "forbidden"),
    [
        ("pass", True),
        ("\n    pass\n", True),
        ("pass  # later", True),
        ("passed = 1", False),
        ("...", True),
        ("x = 1\npass", False),
        ("raise NotImplementedError()", True),
    ],
)
def test_a_middle_must_not_begin_with_the_words_that_are_forbidden(middle: str, forbidden: bool) -> None:
    request = FillRequest(prefix="", forbidden_starts=("pass", "...", "raise NotImplementedError"))
    assert request.forbids(middle) is forbidden
    assert not FillRequest(prefix="").forbids(middle)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "FillRequest must be a JSON object, not list"),
        ({}, "the field 'prefix' is missing"),
        ({"prefix": 1}, "prefix must be str, not int"),
        ({"prefix": "", "temperature": 1}, "unknown field 'temperature'"),
        ({"prefix": "", "max_tokens": "9"}, "max_tokens must be int, not str"),
        ({"prefix": "", "max_tokens": True}, "max_tokens must be int, not bool"),
        ({"prefix": "", "max_tokens": None}, "max_tokens must be int, not NoneType"),
        ({"prefix": "", "max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"prefix": "", "max_lines": 0}, "max_lines must be at least 1, not 0"),
        ({"prefix": "", "forbidden_starts": [1]}, "forbidden_starts must be str, not int"),
        ({"prefix": "", "deadline_ms": -1}, "deadline_ms must be at least 0, not -1"),
        ({"prefix": "", "seed": 2**64}, "seed must be at least -2^63 and less than 2^64, not 18446744073709551616"),
        ({"prefix": "", "priority": "urgent"}, "priority must be one of"),
        ({"prefix": "", "related": {}}, "related must be a list"),
        ({"prefix": "", "related": [{"path": "a"}]}, "the field 'text' is missing"),
        ({"prefix": "", "related": [{"path": "a", "text": 3}]}, "text must be str, not int"),
    ],
)
def test_a_request_that_does_not_fit_names_the_field(data: object, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=r"^[^\n]+$") as caught:
        from_json(FillRequest, data)
    assert complaint in str(caught.value)


def test_the_best_candidate_is_the_first() -> None:
    assert (RESULT.middle, RESULT.confidence) == ("return 1", 0.9)


def test_nothing_to_offer_is_an_empty_middle() -> None:
    empty = FillResult(candidates=(), finish_reason="stop", steps=0, model="m")
    assert (empty.middle, empty.confidence) == ("", 0.0)


def test_the_runtime_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv("DG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path
    assert socket_path().parent == log_path().parent == tmp_path
    monkeypatch.delenv("DG_RUNTIME_DIR")
    assert runtime_folder() == Path("/run/user/7/dg-lsp")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_folder().name.startswith("dg-lsp-")
