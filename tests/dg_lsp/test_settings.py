"""Settings: defaults, values from JSON, and one clear line for each value that cannot be used."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from dg_lsp.settings import (
    EngineSettings,
    FunctionSettings,
    InlineSettings,
    Settings,
    _own_spelling,
    camel_case,
    updated,
)

TABLE = Path(__file__).parents[2] / "docs" / "editors.md"


def test_given_values_replace_defaults_and_the_rest_stays() -> None:
    settings, complaints = updated(Settings(), {"inline": {"deadline_ms": 250}, "engine": {"device": "cpu"}})
    assert settings == Settings(inline=InlineSettings(deadline_ms=250), engine=EngineSettings(device="cpu"))
    assert complaints == []


def test_a_later_update_lies_over_an_earlier_one() -> None:
    first, _ = updated(Settings(), {"inline": {"deadline_ms": 250, "max_tokens": 9}})
    second, _ = updated(first, {"inline": {"max_tokens": 10}})
    assert second.inline == InlineSettings(deadline_ms=250, max_tokens=10)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            {"inline": {"deadline_ms": "fast"}},
            'dg.inline.deadline_ms takes a whole number from 1 up, not "fast"; it stays 1500',
        ),
        (
            {"inline": {"deadline_ms": 0}},
            "dg.inline.deadline_ms takes a whole number from 1 up, not 0; it stays 1500",
        ),
        (
            {"inline": {"deadline_ms": True}},
            "dg.inline.deadline_ms takes a whole number from 1 up, not true; it stays 1500",
        ),
        ({"inline": {"enabled": 1}}, "dg.inline.enabled takes true or false, not 1; it stays true"),
        (
            {"inline": {"debounce_ms": -1}},
            "dg.inline.debounce_ms takes a whole number from 0 up or null, not -1; it stays null",
        ),
        (
            {"engine": {"device": "tpu"}},
            'dg.engine.device takes one of "auto", "cpu", "cuda", not "tpu"; it stays "auto"',
        ),
        ({"engine": {"model": ["x"]}}, "dg.engine.model takes a text, not ['x']; it stays \"\""),
        ({"exclude": "*.py"}, 'dg.exclude takes a list, each of it a text, not "*.py"; it stays []'),
        ({"exclude": ["*.py", 3]}, "dg.exclude takes a list, each of it a text, not ['*.py', 3]; it stays []"),
        ({"inline": 7}, "dg.inline takes an object with settings, not 7"),
        ("all", 'dg takes an object with settings, not "all"'),
        ({"inlin": {}}, "unknown setting dg.inlin (known here: engine, inline, function, exclude, statistics)"),
        ({"function": {"tokens": 5}}, "dg.function has no setting tokens (it has: max_tokens)"),
        ({"function.tokens": 5}, "dg.function has no setting tokens (it has: max_tokens)"),
        (
            {"trace.server": "off"},
            "unknown setting dg.trace.server (known here: engine, inline, function, exclude, statistics)",
        ),
        (
            {"exclude.all": True},
            "unknown setting dg.exclude.all (known here: engine, inline, function, exclude, statistics)",
        ),
        (
            {"inline.deadline_ms": 0},
            "dg.inline.deadline_ms takes a whole number from 1 up, not 0; it stays 1500",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_the_setting_takes_and_changes_nothing(given: Any, complaint: str) -> None:
    assert updated(Settings(), given) == (Settings(), [complaint])


def test_a_key_with_a_dot_names_a_setting_in_its_section() -> None:
    given = {"inline.deadline_ms": 500, "engine.url": "http://gpu:8765", "inline.max_tokens": None, "exclude": ["a"]}
    assert updated(Settings(), given) == (
        Settings(inline=InlineSettings(deadline_ms=500), engine=EngineSettings(url="http://gpu:8765"), exclude=("a",)),
        [],
    )


def test_a_setting_may_be_spelled_as_vscode_does_and_is_named_so() -> None:
    given = {"inline": {"maxTokens": 9, "debounceMs": "soon"}, "inline.disabledLanguages": ["go"]}
    settings, complaints = updated(Settings(), given)
    assert settings == Settings(inline=InlineSettings(max_tokens=9, disabled_languages=("go",)))
    assert complaints == ['dg.inline.debounceMs takes a whole number from 0 up or null, not "soon"; it stays null']
    unknown = "unknown setting dg.Inline (known here: engine, inline, function, exclude, statistics)"
    assert updated(Settings(), {"Inline": {}}) == (Settings(), [unknown])


@pytest.mark.parametrize("key", ["inline.max_tokens", "inline.manual_deadline_ms", "inline.enabled", "exclude"])
def test_both_spellings_are_the_same_setting(key: str) -> None:
    assert _own_spelling(camel_case(key)) == key
    assert "_" not in camel_case(key)


def test_of_a_setting_given_in_both_forms_the_last_counts_and_the_others_stay() -> None:
    nested = {"deadline_ms": 5, "max_tokens": 6}
    for given, deadline in (
        ({"inline.deadline_ms": 7, "inline.enabled": False, "inline": nested}, 5),
        ({"inline": nested, "inline.deadline_ms": 7, "inline.enabled": False}, 7),
    ):
        settings, complaints = updated(Settings(), given)
        assert settings.inline == InlineSettings(deadline_ms=deadline, max_tokens=6, enabled=False)
        assert complaints == []


def test_a_list_is_taken_whole() -> None:
    assert updated(Settings(), {"exclude": ["*.gen.py"]}) == (Settings(exclude=("*.gen.py",)), [])


def test_right_values_beside_a_wrong_one_are_taken() -> None:
    settings, complaints = updated(Settings(), {"inline": {"deadline_ms": -5, "enabled": False}})
    assert settings.inline == InlineSettings(enabled=False)
    assert len(complaints) == 1


@pytest.mark.parametrize("given", [None, {}, {"inline": None}, {"inline": {"max_tokens": None}}])
def test_null_means_not_given(given: Any) -> None:
    base = Settings(inline=InlineSettings(max_tokens=5), function=FunctionSettings(max_tokens=6))
    assert updated(base, given) == (base, [])


def test_a_wrong_value_keeps_what_was_last_right_and_not_the_base() -> None:
    base, _ = updated(Settings(), {"inline": {"max_tokens": 5}})
    now, _ = updated(base, {"inline": {"max_tokens": 6, "deadline_ms": 7}, "exclude": ["a"]})
    settings, complaints = updated(base, {"inline": {"max_tokens": "six"}, "exclude": {}}, now)
    assert settings == Settings(inline=InlineSettings(max_tokens=6), exclude=("a",))
    assert [complaint.split("; ")[1] for complaint in complaints] == ["it stays 6", "it stays ['a']"]
    assert updated(base, {"inline": 3}, now)[0].inline == now.inline


def said_of_a_wrong_value(key: str) -> str:
    given: Any = {"": 0}
    for part in reversed(key.split(".")):
        given = {part: given}
    _, (complaint,) = updated(Settings(), given)
    return complaint


def keys(tree: Any, path: str = "") -> list[str]:
    """Every setting by its key below `dg`, in order."""
    names = [field.name for field in dataclasses.fields(tree)] if dataclasses.is_dataclass(tree) else []
    return [key for name in names for key in keys(getattr(tree, name), f"{path}.{name}")] or [path[1:]]


def test_the_documented_table_holds_every_setting_with_what_it_takes_and_its_default() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| ([^|]+) \| `([^|]+)` \| [^|]{10,} \|$", TABLE.read_text("utf-8"), re.MULTILINE
    )
    assert [key for key, _, _ in rows] == keys(Settings())
    for key, takes, default in rows:
        assert said_of_a_wrong_value(key) == f"dg.{key} takes {takes}, not {{'': 0}}; it stays {default}"
