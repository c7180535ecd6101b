"""What of a message is read strictly, and what may be anything."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cattrs.errors import BaseValidationError
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dg_lsp.decoding import lenient_converter

CONVERTER = lenient_converter()
HERE = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
NULLS = {"start": {"line": None, "character": None}, "end": {"line": 0, "character": 0}}
ENDLESS = {"start": {"line": 0, "character": 0}, "end": {"line": 2**32 - 1, "character": 2**32 - 1}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    "context",
    [
        {"diagnostics": [{"message": "x", "range": NULLS}]},
        {"diagnostics": [{"message": "x", "range": ENDLESS, "severity": 0}]},
        {"diagnostics": [{"message": "x", "range": HERE, "tags": [3]}, {"range": HERE}, "nonsense", None]},
        {"diagnostics": [], "triggerKind": 0},
        {"diagnostics": None},
        {"only": ["refactor", "my.own"], "diagnostics": {}},
        {},
        None,
    ],
)
def test_actions_are_offered_whatever_other_tools_say(context: Any) -> None:
    data = {"textDocument": {"uri": "file:///a.py"}, "range": HERE, "context": context}
    params = CONVERTER.structure(data, types.CodeActionParams)
    assert params.text_document.uri == "file:///a.py"
    assert params.context.only == (("refactor", "my.own") if context and "only" in context else None)


def test_a_place_beyond_all_numbers_of_lsprotocol_is_the_last_one() -> None:
    change = CONVERTER.structure({"range": ENDLESS, "text": ""}, types.TextDocumentContentChangePartial)
    assert change.range.end == types.Position(2**31 - 1, 2**31 - 1)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (types.TextDocumentContentChangePartial, {"range": NULLS, "text": ""}),
        (types.TextDocumentContentChangePartial, {"range": HERE}),
        (types.TextDocumentItem, {"uri": "file:///a.py"}),
        (types.TextDocumentItem, {"uri": None, "text": ""}),
        (types.NotebookDocumentChangeEvent, {"cells": {"textContent": [{"document": 3, "changes": []}]}}),
        (types.NotebookDocumentChangeEvent, {"cells": {"structure": {"array": {"start": "a", "deleteCount": 0}}}}),
        (types.InlineCompletionParams, {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 0}}),
    ],
)
def test_what_is_used_has_to_fit(kind: type, data: Any) -> None:
    with pytest.raises((TypeError, ValueError, BaseValidationError)):
        CONVERTER.structure(data, kind)


def test_an_unknown_value_of_an_enumeration_goes_through_both_ways() -> None:
    data = {"title": "x", "tags": [7], "diagnostics": [{"range": HERE, "message": "m", "severity": 9}]}
    action = CONVERTER.structure(data, types.CodeAction)
    assert json.loads(json.dumps(CONVERTER.unstructure(action))) == data


def test_a_known_value_of_an_enumeration_is_its_member() -> None:
    cell = CONVERTER.structure({"kind": 2, "document": "cell:1"}, types.NotebookCell)
    assert cell.kind is types.NotebookCellKind.Code
    assert CONVERTER.structure({"value": "verbose"}, types.SetTraceParams).value is types.TraceValue.Verbose


@pytest.mark.parametrize("profile", sorted(path.name for path in Path("fixtures/clients").glob("*.json")))
@given(anything=JSON, data=st.data())
def test_any_part_of_the_capabilities_may_be_anything(profile: str, anything: Any, data: st.DataObject) -> None:
    told = json.loads(Path("fixtures/clients", profile).read_text("utf-8"))["capabilities"]
    path = data.draw(st.sampled_from(list(paths(told))))
    broken = copy.deepcopy(told)
    *folders, last = path
    inner = broken
    for key in folders:
        inner = inner[key]
    inner[last] = anything
    params = CONVERTER.structure({"capabilities": broken, "trace": "compact"}, types.InitializeParams)
    if path[0] != "textDocument" and "textDocument" in told:
        whole = CONVERTER.structure(told, types.ClientCapabilities)
        assert params.capabilities.text_document == whole.text_document


def paths(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))
