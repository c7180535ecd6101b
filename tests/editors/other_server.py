"""A second language server that suggests inline: always `other()` at the cursor."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("other", "1")


@server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
def suggest(params: types.InlineCompletionParams) -> list[types.InlineCompletionItem]:
    here = types.Range(start=params.position, end=params.position)
    return [types.InlineCompletionItem(insert_text="other()", range=here)]


if __name__ == "__main__":
    server.start_io()
