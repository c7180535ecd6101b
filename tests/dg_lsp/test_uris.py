"""Addresses of documents: whatever an editor sends as one is served, or passed over with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lsprotocol import types

from dg_lsp.client.local import _encoded
from dg_lsp.completion.fill import Wanted, question
from dg_lsp.context.exclusions import Exclusions
from dg_lsp.context.related import Related
from dg_lsp.documents import DocumentStore
from dg_lsp.reasons import Reasons
from dg_lsp.syntax.holes import cursor_hole
from dg_lsp.uris import file_name, file_path

PIECE = st.sampled_from(
    ["/", "//", "[", "]", "[::1]", ":", "%", "%2F", "%00", "%ff", "?", "#", "..", "~", "\\", "\ud800", "\0"]
)
URIS = st.text(max_size=20) | st.builds(
    lambda scheme, parts: scheme + "".join(parts),
    st.sampled_from(["file://", "file:", "untitled:", "term://", "vscode-notebook-cell:", "git:/", "http://", ""]),
    st.lists(PIECE | st.text(max_size=4), max_size=6),
)


@given(URIS)
@example("term://[bash]/x.py")
@example("file://[/x.py")
@example("file:///tmp/\ud800.py")
@example("file:///tmp/" + 300 * "x" + "/a.py")
@example("file:///c%3A/\0")
@example("file://\ud800")
@example("FILE://\0")
async def test_any_address_has_a_name_a_verdict_and_a_question(uri: str) -> None:
    documents, folder = DocumentStore(), Path("/tmp")
    exclusions = Exclusions(lambda: [folder], lambda: ("*.no",))
    related = Related(documents, exclusions)
    snapshot = documents.open(types.TextDocumentItem(uri, "python", 1, "import os\n\nx = \n"))
    await related.read()
    reason = exclusions.of_document(snapshot, 0)
    asked = question(snapshot, cursor_hole(snapshot, 4), Wanted(max_tokens=4, related=related.snippets(snapshot, 4)))
    json.loads(_encoded(asked.request).decode("utf-8"))
    reasons = Reasons()
    reasons.add(reason or "none", uri=uri, line=0)
    assert [str(kept) for kept in reasons.all()]
    assert json.dumps(reasons.all()[0].as_json()).encode()


@pytest.mark.parametrize(
    ("uri", "path", "name"),
    [
        ("file:///home/me/a%20b.py", Path("/home/me/a b.py"), "a b.py"),
        ("vscode-notebook-cell:/home/me/n.ipynb#W0", Path("/home/me/n.ipynb"), "n.ipynb"),
        ("file:///home/me/sub/../.env", Path("/home/me/.env"), ".env"),
        ("untitled:Untitled-1", None, "Untitled-1"),
        ("file:///c%3A/proj/a.py", None, "a.py"),  # of Windows: not on this machine
        ("term://[bash]/x.py", None, "x.py"),
        ("", None, ""),
    ],
)
def test_what_an_address_tells(uri: str, path: Path | None, name: str) -> None:
    assert (file_path(uri), file_name(uri)) == (path, name)
