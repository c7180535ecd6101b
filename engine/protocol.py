"""What travels between the language server and the engine. No torch, no tokens.

A fill is one HTTP request, `POST /v1/fill` with a `FillRequest` as JSON, answered by server-sent
events: any number of `draft` (`Draft`), then one `done` (`FillResult`) or `error` (`FillError`).
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

Priority = Literal["automatic", "manual"]
Source = Literal["denoised", "causal", "copied"]
FinishReason = Literal["stop", "length", "steps", "deadline", "unsure"]
EngineState = Literal["loading", "ready", "error"]

_T = TypeVar("_T")

TOKEN_VARIABLE = "DG_ENGINE_TOKEN"
"""The environment variable with the secret that an engine at a TCP address asks for."""


class ProtocolError(ValueError):
    """A message that does not fit the protocol; the text names the field and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """Related code from another place, shown to the model before the prefix."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRequest:
    """One request for a middle.

    `max_tokens` bounds the middle, `max_steps` the denoising steps (None: the checkpoint's own),
    `deadline_ms` the time after which the best draft is returned as it stands. `max_lines` bounds the
    lines with code of the middle (None: no bound). `forbidden_starts` are texts that the middle must
    not begin with, leading blanks aside.
    """

    prefix: str
    suffix: str = ""
    language: str = "plaintext"
    path: str = ""
    related: tuple[Snippet, ...] = ()
    max_tokens: int = 64
    max_steps: int | None = None
    deadline_ms: float | None = None
    candidates: int = 1
    single_line: bool = False
    max_lines: int | None = None
    forbidden_starts: tuple[str, ...] = ()
    priority: Priority = "manual"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("max_tokens", 1), ("candidates", 1), ("max_steps", 1), ("max_lines", 1), ("deadline_ms", 0)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ProtocolError(f"{name} must be at least {low}, not {value}")
        if not -(2**63) <= self.seed < 2**64:
            raise ProtocolError(f"seed must be at least -2^63 and less than 2^64, not {self.seed}")
        if self.priority not in get_args(Priority):
            raise ProtocolError(f"priority must be one of {get_args(Priority)}, not {self.priority!r}")

    def forbids(self, middle: str) -> bool:
        """Returns True when the middle begins with one of `forbidden_starts`, as whole words: "pass", not "passed"."""
        middle = middle.lstrip()
        return any(
            middle.startswith(start) and not _in_one_word(start[-1:], middle[len(start) : len(start) + 1])
            for start in self.forbidden_starts
        )


def _in_one_word(*characters: str) -> bool:
    return all(character.isalnum() or character == "_" for character in characters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The canvas after one denoising step.

    `slots` is the text of every gap slot in order, `settled[i]` whether slot i was accepted in this
    step, `pinned` the head of the suffix that stands, unchanged, right behind the gap.
    """

    text: str
    step: int
    steps: int
    slots: tuple[str, ...] = ()
    settled: tuple[bool, ...] = ()
    pinned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One possible middle; `source` says how it was made.

    `confidence` lies in [0, 1]; of a calibrated model it is the share of such answers that are exactly right.
    `line_confidence` is the mean probability of the tokens of each line, where there are several.
    """

    middle: str
    source: Source
    confidence: float
    line_confidence: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    """The answer to a fill: candidates, best first (empty when there is nothing to offer).

    An automatic request is answered with nothing where the best is less sure than the model's threshold: "unsure", or
    "deadline" where more time might have made it sure. `threshold` is the least confidence of what may be shown
    unasked (0: anything may).
    """

    candidates: tuple[Candidate, ...]
    finish_reason: FinishReason
    steps: int
    model: str
    timings_ms: dict[str, float] = field(default_factory=dict)
    threshold: float = 0.0

    @property
    def middle(self) -> str:
        return self.candidates[0].middle if self.candidates else ""

    @property
    def confidence(self) -> float:
        return self.candidates[0].confidence if self.candidates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillError:
    """Why a fill failed, in one line. `code` is stable: bad_request, loading, cancelled, engine."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The engine's answer to `GET /health`. `progress` lies in [0, 1] while loading.

    `languages` are the identifiers of the languages that the model was trained on (empty: not known, or all).
    """

    state: EngineState
    progress: float
    model: str
    device: str
    version: str
    pid: int
    message: str = ""
    context_tokens: int = 0
    gap_tokens: int = 0
    languages: tuple[str, ...] = ()


def to_json(message: Any) -> dict[str, Any]:
    """The message as a JSON object (field names as they are)."""
    return dataclasses.asdict(message)


def from_json(kind: type[_T], data: Any) -> _T:
    """Build a message from a JSON object.

    Raises `ProtocolError` naming the field when one is unknown, missing or of the wrong type.
    """
    if not isinstance(data, dict):
        raise ProtocolError(f"{kind.__name__} must be a JSON object, not {type(data).__name__}")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - set(fields)):
        raise ProtocolError(f"unknown field {unknown[0]!r} (known: {', '.join(fields)})")
    if missing := [name for name, f in fields.items() if name not in data and _is_required(f)]:
        raise ProtocolError(f"the field {missing[0]!r} is missing")
    return kind(**{name: _decode(name, str(fields[name].type), value) for name, value in data.items()})


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


_SCALARS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
_LISTS: dict[str, type] = {"Snippet": Snippet, "Candidate": Candidate}


def _decode(name: str, annotation: str, value: Any) -> Any:
    """One field's value, checked against its annotation (the handful of forms used above)."""
    optional = annotation.endswith(" | None")
    annotation = annotation.removesuffix(" | None")
    if value is None and optional:
        return None
    if annotation.startswith("tuple["):
        if not isinstance(value, (list, tuple)):
            raise ProtocolError(f"{name} must be a list")
        item = annotation.removeprefix("tuple[").removesuffix(", ...]")
        if item in _LISTS:
            return tuple(from_json(_LISTS[item], v) for v in value)
        return tuple(_decode(name, item, v) for v in value)
    scalar = _SCALARS.get(annotation)
    if scalar is None:  # a Literal or a dict: checked by the dataclass or free-form
        return value
    if not isinstance(value, scalar) or (isinstance(value, bool) and annotation != "bool"):
        raise ProtocolError(f"{name} must be {annotation}, not {type(value).__name__}")
    return value


def runtime_folder() -> Path:
    """The user's own folder (mode 0700) for the engine's socket, lock and log.

    `DG_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/dg-lsp`, else `dg-lsp-<uid>` in the temporary folder.
    The folder is created by the engine, not here.
    """
    if own := os.environ.get("DG_RUNTIME_DIR"):
        return Path(own)
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "dg-lsp"
    return Path(tempfile.gettempdir()) / f"dg-lsp-{os.getuid()}"


def socket_path() -> Path:
    """The unix socket on which the engine listens."""
    return runtime_folder() / "engine.sock"


def log_path() -> Path:
    """The engine's log: what it did and why it failed, never the user's code."""
    return runtime_folder() / "engine.log"
