"""Pictures of VS Code with the default model, part of `make screenshots`: ghost text, a code action's preview."""

from __future__ import annotations

from lsp_session import short_folder
from vscode import POINT, REPOSITORY, TOTAL, code

PICTURES = REPOSITORY / "docs" / "pictures"


def main() -> None:
    with short_folder() as root, code(root) as window:
        window.page.set_viewport_size({"width": 800, "height": 520})
        window.open("total.py", TOTAL)
        window.wait_until_ready()
        window.type("res")
        window.wait_for_ghost("ult")
        window.page.screenshot(path=PICTURES / "vscode_ghost_text.png")
        window.clear()
        window.open("point.py", POINT)
        window.page.keyboard.press("Control+.")
        window.page.locator(".action-widget").first.get_by_text("Fill this function").wait_for(timeout=60_000)
        window.page.keyboard.press("Control+Enter")  # with a preview
        window.page.get_by_text("Refactor Preview").first.wait_for(timeout=60_000)
        window.page.get_by_text("return self.").nth(1).wait_for()
        window.page.screenshot(path=PICTURES / "vscode_code_action.png")
        window.command("refactorPreview.discard")
        window.clear()
    print(f"{PICTURES}: vscode_ghost_text.png, vscode_code_action.png")


if __name__ == "__main__":
    main()
