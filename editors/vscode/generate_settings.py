"""Writes the server's settings into package.json: types from its dataclasses, texts from the table in docs/editors.md.

Run by `make vscode`. They are grouped, ordered and spelled as VS Code shows them best: "Deadline Ms" for `deadlineMs`.
The extension's own settings stand last in package.json and stay as they are.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PACKAGE = HERE / "package.json"
TABLE = REPOSITORY / "docs" / "editors.md"
OWN = ("interpreter", "packageSource", "pipArguments", "torchIndex", "trace.server")

CATEGORIES = {"inline.": "Suggestions", "function.": "Code Actions", "engine.": "Model"}
FILES, INSTALLATION = "Files and Statistics", "Installation"
"""The other settings of the server, and those of the extension itself."""

OF_THE_USER = "engine."
"""What a project's own settings must not say: where code is sent to, and which model is run."""

sys.path.insert(0, str(REPOSITORY))
from dg_lsp.settings import Settings, camel_case  # noqa: E402


def generated(package: str, table: str) -> str:
    """The text of package.json with the settings of the server as they are now."""
    manifest = json.loads(package)
    configuration = manifest["contributes"]["configuration"]
    before = {key: setting for category in configuration for key, setting in category["properties"].items()}
    server = _server_settings(Settings(), "", _meanings(table))
    categories = {title: [key for key in server if key.startswith(begin)] for begin, title in CATEGORIES.items()}
    rest = [key for key in server if not any(key in keys for keys in categories.values())]
    properties = {title: {f"dg.{camel_case(key)}": server[key] for key in keys} for title, keys in categories.items()}
    properties |= {
        FILES: {f"dg.{camel_case(key)}": server[key] for key in rest},
        INSTALLATION: {f"dg.{key}": before[f"dg.{key}"] for key in OWN},
    }
    manifest["contributes"]["configuration"] = [
        {"title": title, "order": place, "properties": _in_order(settings)}
        for place, (title, settings) in enumerate(properties.items(), 1)
    ]
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _in_order(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with their places: VS Code would sort them by their names."""
    return {key: {**setting, "order": place} for place, (key, setting) in enumerate(settings.items(), 1)}


def _meanings(table: str) -> dict[str, str]:
    """The last column of the table of settings by the first one, without links into files that VS Code has not."""
    without_links = re.sub(r" \(\[[^]]+\]\([^)]+\)\)", "", table)
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([^|]+) \|$", without_links, re.MULTILINE)
    keys = [key for key, _ in rows]
    return {key: re.sub(r"`([\w.]+)`", lambda found: _linked(found[1], keys), meaning) + "." for key, meaning in rows}


def _linked(name: str, keys: list[str]) -> str:
    """What stands between backticks; where it is another setting, a link to that one."""
    return f"`#dg.{camel_case(name)}#`" if name in keys else f"`{name}`"


def _server_settings(tree: Any, path: str, meanings: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    hints = get_type_hints(type(tree))
    for field in dataclasses.fields(tree):
        value, key = getattr(tree, field.name), path + field.name
        if dataclasses.is_dataclass(value):
            found |= _server_settings(value, f"{key}.", meanings)
        else:
            schema = _schema(hints[field.name], field.metadata.get("minimum", 0))
            default = list(value) if isinstance(value, tuple) else value
            scope = {"scope": "machine"} if key.startswith(OF_THE_USER) else {}
            found[key] = schema | {"default": default, **scope, "markdownDescription": meanings[key]}
    return found


def _schema(kind: Any, minimum: int) -> dict[str, Any]:
    """The JSON schema of a setting's type."""
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if get_origin(kind) in (Union, types.UnionType):
        schemas = [_schema(option, minimum) for option in get_args(kind)]
        return {**schemas[0], **schemas[1], "type": [schema["type"] for schema in schemas]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _schema(get_args(kind)[0], minimum)}
    if kind is int:
        return {"type": "integer", "minimum": minimum}
    return {"type": {bool: "boolean", str: "string", types.NoneType: "null"}[kind]}


if __name__ == "__main__":
    PACKAGE.write_text(generated(PACKAGE.read_text("utf-8"), TABLE.read_text("utf-8")), "utf-8")
