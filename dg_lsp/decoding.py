"""Reads JSON messages as lsprotocol's types, and strictly only what this server uses.

* An optional part that does not fit counts as absent.
* What the protocol requires and this server can do without has a substitute where it is missing or unfit.
* An unknown value of an enumeration stays as it is, and too large a number becomes the largest one.

The text of a document is never guessed: whatever carries it is read strictly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override
from lsprotocol import types
from lsprotocol.converters import get_converter
from lsprotocol.validators import UINTEGER_MAX_VALUE
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage, JsonRPCResponseMessage

from dg_lsp.documents import UNNUMBERED

_SUBSTITUTES: dict[type, dict[str, Any]] = {
    types.ClientInfo: {"name": ""},
    types.CodeActionContext: {"diagnostics": ()},  # of other tools
    types.CodeActionParams: {"context": types.CodeActionContext(diagnostics=())},
    types.DidChangeConfigurationParams: {"settings": None},
    types.DidSaveNotebookDocumentParams: {"notebook_document": types.NotebookDocumentIdentifier(uri="")},
    types.InitializeParams: {"capabilities": types.ClientCapabilities()},
    types.NotebookDocument: {"notebook_type": "", "version": 0},
    types.SetTraceParams: {"value": types.TraceValue.Off},
    # lsp-mode writes null for the empty object of a client that takes inline completion.
    types.TextDocumentClientCapabilities: {"inline_completion": types.InlineCompletionClientCapabilities()},
    types.TextDocumentItem: {"language_id": "", "version": UNNUMBERED},
    types.VersionedNotebookDocumentIdentifier: {"version": 0},
    types.VersionedTextDocumentIdentifier: {"version": UNNUMBERED},
    types.WorkspaceFolder: {"name": ""},
    types.WorkspaceFoldersChangeEvent: {"added": (), "removed": ()},
}
"""By type and field. A field that is optional is replaced only where it is there and unfit."""

_STRICT = {
    types.NotebookDocumentChangeEvent,
    types.NotebookDocumentCellChanges,
    types.NotebookDocumentCellChangeStructure,
    types.NotebookCellArrayChange,
}
"""Types whose optional parts carry texts or the order of texts: a part that is passed over would be an edit lost."""

_GENERIC = (JsonRPCRequestMessage, JsonRPCNotification, JsonRPCResponseMessage)
"""Messages of methods that are not in the protocol."""


def lenient_converter() -> cattrs.Converter:
    """Returns a converter between JSON objects and lsprotocol's types."""
    converter = get_converter()
    converter.register_structure_hook_factory(attrs.has, lambda kind: _class_hook(converter, kind))
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int | str, _number_or_text)
    for kind in vars(types).values():
        if isinstance(kind, type) and issubclass(kind, Enum):
            converter.register_structure_hook(kind, _known_or_as_is)
            converter.register_unstructure_hook(kind, lambda value: getattr(value, "value", value))
    partial, whole = types.TextDocumentContentChangePartial, types.TextDocumentContentChangeWholeDocument

    def change(data: dict[str, Any], _: Any) -> Any:
        # Some editors write null for the range of a change of the whole text.
        return converter.structure(data, whole if data.get("range") is None else partial)

    converter.register_structure_hook(partial | whole, change)
    for kind in _GENERIC:
        converter.register_structure_hook(kind, _generic_message)
    return converter


def _class_hook(converter: cattrs.Converter, kind: type) -> Callable[[Any, Any], Any]:
    substitutes = _SUBSTITUTES.get(kind, {})
    overrides: dict[str, Any] = {}
    missing: dict[str, None] = {}
    for field in attrs.fields(kind):
        name = _wire_name(field.name)
        hook = None
        if field.name in substitutes:
            hook = _or_else(converter, field, substitutes[field.name])
            if field.default is attrs.NOTHING:
                missing[name] = None
        elif field.default is None and kind not in _STRICT:
            hook = _or_else(converter, field, None)
        elif field.type is int:
            hook = _bounded
        overrides[field.name] = override(rename=name, struct_hook=hook)
    plain: Callable[[Any, Any], Any] = make_dict_structure_fn(kind, converter, **overrides)
    return (lambda data, cls: plain({**missing, **data}, cls)) if missing else plain


def _or_else(converter: cattrs.Converter, field: attrs.Attribute[Any], substitute: Any) -> Callable[[Any, Any], Any]:
    """Returns a hook that gives the substitute for null and for what does not fit."""

    def hook(value: Any, kind: Any) -> Any:
        if value is None:
            return substitute
        try:
            found = _bounded(value, kind) if kind is int else converter.structure(value, kind)
            if field.validator:
                field.validator(None, field, found)
        except Exception:  # whatever is wrong with it, nobody needs it
            return substitute
        return found

    return hook


def _bounded(value: Any, _: Any) -> int:
    """4294967295 is how some editors write "to the end"; lsprotocol refuses what is above 2147483647."""
    return min(int(value), UINTEGER_MAX_VALUE)


def _text(value: Any, _: Any) -> str:
    """cattrs would make a text of anything."""
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def _number_or_text(value: Any, _: Any) -> int | str:
    if not isinstance(value, (int, str)):
        raise TypeError("expected a number or a string")
    return value


def _known_or_as_is(value: Any, kind: type[Enum]) -> Any:
    return next((member for member in kind if member.value == value), _number_or_text(value, kind))


def _generic_message(data: dict[str, Any], kind: type) -> Any:
    """A message of our own methods, whose parts are attributes; anything else in it is left out."""
    parts = {field.name: data.get(field.name) for field in attrs.fields(kind)}
    return kind(**json.loads(json.dumps(parts), object_hook=lambda d: SimpleNamespace(**d)).__dict__)


def _wire_name(name: str) -> str:
    first, *rest = name.removesuffix("_").split("_")
    return first + "".join(part.title() for part in rest)
