"""The VS Code extension lists the settings that the server has."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "editors" / "vscode" / "package.json"
TABLE = REPOSITORY / "docs" / "editors.md"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "generate_settings", PACKAGE.with_name("generate_settings.py")
    )
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_package_json_is_as_it_would_be_generated_now(generator: ModuleType) -> None:
    package = PACKAGE.read_text("utf-8")
    anew = generator.generated(package, TABLE.read_text("utf-8"))
    assert package == anew, "run: python editors/vscode/generate_settings.py"


def properties(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All settings by their names, whatever category they are in."""
    return {
        key: setting
        for category in manifest["contributes"]["configuration"]
        for key, setting in category["properties"].items()
    }


def test_a_setting_that_is_gone_goes_and_one_that_is_missing_comes(generator: ModuleType) -> None:
    manifest = json.loads(PACKAGE.read_text("utf-8"))
    first = manifest["contributes"]["configuration"][0]["properties"]
    wanted = first.pop("dg.inline.debounceMs")
    first["dg.old"] = {}
    anew = properties(json.loads(generator.generated(json.dumps(manifest), TABLE.read_text("utf-8"))))
    assert anew["dg.inline.debounceMs"] == wanted
    assert "dg.old" not in anew
    assert wanted["type"] == ["integer", "null"]
    assert wanted["minimum"] == 0
    assert wanted["default"] is None


def test_a_project_cannot_say_where_code_is_sent_to() -> None:
    settings = properties(json.loads(PACKAGE.read_text("utf-8")))
    engine = {key: setting for key, setting in settings.items() if key.startswith("dg.engine.")}
    assert engine
    assert {setting.get("scope") for setting in engine.values()} == {"machine"}


def test_settings_are_spelled_ordered_and_explained_as_in_vscode() -> None:
    categories = json.loads(PACKAGE.read_text("utf-8"))["contributes"]["configuration"]
    assert categories[0]["title"] == "Suggestions"
    assert next(iter(categories[0]["properties"])) == "dg.inline.enabled"
    for category in categories:
        orders = [setting["order"] for setting in category["properties"].values()]
        assert orders == sorted(set(orders))
    settings = properties(json.loads(PACKAGE.read_text("utf-8")))
    for key, setting in settings.items():
        assert "_" not in key, "VS Code makes its title of it"
        text = setting["markdownDescription"]
        assert text[0].isupper()
        assert not re.search(r"\bthe same\b|\.md\b", text), "it is read alone"
        assert set(re.findall(r"`#([^`]+)#`", text)) <= set(settings)


def test_every_command_of_the_palette_has_a_title_and_every_menu_entry_a_command() -> None:
    contributes = json.loads(PACKAGE.read_text("utf-8"))["contributes"]
    commands = {command["command"] for command in contributes["commands"]}
    assert all(command["title"] and command["category"] == "dg" for command in contributes["commands"])
    assert {entry["command"] for entry in contributes["menus"]["commandPalette"]} <= commands
