"""What a user can choose: one tree of defaulted dataclasses, read from JSON and checked once."""

from __future__ import annotations

import dataclasses
import re
import types
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Device = Literal["auto", "cpu", "cuda"]

UNKNOWN = "unknown setting"
"""How the complaint begins about a setting that may be the editor's own: it is in none of our sections."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The engine that is started when none runs; a running one keeps its device until `dg-engine stop`.

    `url` is that of an engine elsewhere, which is used instead and never started. `model` is a downloaded
    model's name, a folder or a file; "" leaves the choice to the engine: the best one that fits the machine.
    """

    url: str = ""
    model: str = ""
    device: Device = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineSettings:
    """Inline completion, and completion. All concern automatic requests but `max_tokens` and `manual_deadline_ms`.

    `disabled_languages` are language identifiers of the protocol; `in_comments` counts docstrings as comments.
    `debounce_ms` is the wait before a request reaches the engine (None: what suits the user's typing).
    `manual_deadline_ms` is also that of completion lists that no trigger character opened.
    """

    enabled: bool = True
    disabled_languages: tuple[str, ...] = ()
    in_comments: bool = True
    deadline_ms: int = field(default=1500, metadata={"minimum": 1})
    manual_deadline_ms: int = field(default=3000, metadata={"minimum": 1})
    debounce_ms: int | None = field(default=None, metadata={"minimum": 0})
    max_tokens: int = field(default=64, metadata={"minimum": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """The code actions."""

    max_tokens: int = field(default=128, metadata={"minimum": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the language server: the section `dg` of an editor's configuration.

    `exclude` names files that get nothing and are shown to no model, in the syntax of .gitignore. `statistics`
    counts what was offered and accepted, on this machine alone.
    """

    engine: EngineSettings = field(default_factory=EngineSettings)
    inline: InlineSettings = field(default_factory=InlineSettings)
    function: FunctionSettings = field(default_factory=FunctionSettings)
    exclude: tuple[str, ...] = ()
    statistics: bool = True


def updated(base: Settings, given: Any, now: Settings | None = None) -> tuple[Settings, list[str]]:
    """`base` with the values of the JSON object `given`, and one line for each that cannot be used.

    A wrong value keeps the one in `now` (None: in `base`); null means "not given". The key "inline.max_tokens" is the
    same as "max_tokens" in "inline", and "maxTokens", as VS Code spells it, is the same as "max_tokens".
    """
    complaints: list[str] = []
    return _merge(base, now or base, given, "dg", complaints), complaints


def _merge(base: _T, now: _T, given: Any, path: str, complaints: list[str]) -> _T:
    if given is None:
        return base
    if not isinstance(given, dict):
        complaints.append(f"{path} takes an object with settings, not {_shown(given)}")
        return now
    hints = get_type_hints(type(base))
    changes: dict[str, Any] = {}
    for key, value in given.items():
        section, dot, rest = key.partition(".")
        if dot and dataclasses.is_dataclass(hints.get(section)):
            key, value = section, {rest: value}
        name, key = f"{path}.{key}", _own_spelling(key)
        if key not in hints:
            complaints.append(_unknown(path, name.removeprefix(f"{path}."), ", ".join(hints)))
        elif dataclasses.is_dataclass(hints[key]):
            # A section may be met twice: nested, and in a key with a dot.
            changes[key] = _merge(changes.get(key, getattr(base, key)), getattr(now, key), value, name, complaints)
        elif value is not None:
            minimum = _minimum(base, key)
            if _fits(hints[key], value, minimum):
                changes[key] = tuple(value) if isinstance(value, list) else value
            else:
                changes[key] = getattr(now, key)
                kept = _shown(changes[key])
                complaints.append(f"{name} takes {_takes(hints[key], minimum)}, not {_shown(value)}; it stays {kept}")
    return dataclasses.replace(base, **changes)  # type: ignore[type-var]


def camel_case(key: str) -> str:
    """A key as VS Code spells it: "inline.maxTokens" for "inline.max_tokens"."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), key)


def _own_spelling(key: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", key)


def _unknown(path: str, key: str, known: str) -> str:
    if path == "dg":
        return f"{UNKNOWN} dg.{key} (known here: {known})"
    return f"{path} has no setting {key} (it has: {known})"


def _minimum(base: Any, key: str) -> int:
    return next(int(f.metadata.get("minimum", 0)) for f in dataclasses.fields(base) if f.name == key)


def _fits(kind: Any, value: Any, minimum: int) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return any(_fits(option, value, minimum) for option in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(_fits(get_args(kind)[0], item, minimum) for item in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= minimum
    return isinstance(value, kind)


def _takes(kind: Any, minimum: int) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'"{option}"' for option in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_takes(option, minimum) for option in get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list, each of it {_takes(get_args(kind)[0], minimum)}"
    names = {bool: "true or false", str: "a text", int: f"a whole number from {minimum} up", types.NoneType: "null"}
    return names[kind]


def _shown(value: Any) -> str:
    """A value as JSON would write it, short enough for one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f'"{value}"' if isinstance(value, str) else str(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 40 else text[:37] + "..."
