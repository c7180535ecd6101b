"""Settings in a JSON file, with defaults for what the file does not name."""

from __future__ import annotations

import json
from pathlib import Path


class UnknownKey(KeyError):
    """A key that has neither a value nor a default."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(f"{key} is unknown; known: {', '.join(known)}")
        self.key = key
        self.known = known


class SettingsStore:
    """Values by key; `save` writes them, `load` reads them back."""

    def __init__(self, path: Path, defaults: dict[str, str]) -> None:
        self.path = path
        self.defaults = defaults
        self.values: dict[str, str] = {}

    def load(self) -> None:
        """Read the values from the file, if there is one."""
        if self.path.exists():
            self.values = json.loads(self.path.read_text(encoding="utf-8"))

    def save(self) -> None:
        """Write the values to the file."""
        text = json.dumps(self.values, indent=2)
        self.path.write_text(text, encoding="utf-8")

    def set(self, key: str, value: str) -> None:
        """Change the value of a key and save the file."""
        self.values[key] = value
        self.save()

    def remove(self, key: str) -> None:
        """Remove the value of a key and save the file."""
        del self.values[key]
        self.save()

    def get(self, key: str) -> str:
        """The value of a key, else its default."""
        if key in self.values:
            return self.values[key]
        if key in self.defaults:
            return self.defaults[key]
        raise UnknownKey(key, sorted(self.defaults))
