"""The configurations that editors/README.md tells users to write: the tests use the very same text."""

from __future__ import annotations

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "editors" / "README.md"


def configuration(editor: str, number: int = 0) -> str:
    """The code blocks under an editor's heading, one of them."""
    sections = re.split(r"^## ", GUIDE.read_text("utf-8"), flags=re.MULTILINE)
    section = next(section for section in sections if section.startswith(f"{editor}\n"))
    blocks: list[str] = re.findall(r"^```\w+\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return blocks[number]
