"""Pictures of VS Code with the default model: ghost text, and the menu of code actions. Part of `make screenshots`."""

from __future__ import annotations

from lsp_session import short_folder
from vscode import REPOSITORY, TOTAL, code

PICTURES = REPOSITORY / "docs" / "pictures"
STUB = "def area(width, height):\n    pa|ss\n"


def main() -> None:
    with short_folder() as root, code(root) as window:
        window.page.set_viewport_size({"width": 800, "height": 360})
        window.open("total.py", TOTAL)
        window.wait_until_ready()
        window.type("res")
        window.wait_for_ghost("ult")
        window.page.screenshot(path=PICTURES / "vscode_ghost_text.png")
        window.clear()
        window.open("area.py", STUB)
        window.page.keyboard.press("Control+.")
        window.page.locator(".action-widget").first.get_by_text("Fill this function").wait_for(timeout=60_000)
        window.page.screenshot(path=PICTURES / "vscode_code_action.png")
        window.page.keyboard.press("Escape")
        window.clear()
    print(f"{PICTURES}: vscode_ghost_text.png, vscode_code_action.png")


if __name__ == "__main__":
    main()
