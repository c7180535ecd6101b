"""A second language server that suggests inline: always `other()` at the cursor.

`python other_server.py [SECONDS [deaf]]`: it takes that long to answer; deaf, it answers also what was taken back.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("other", "1")
seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
deaf = "deaf" in sys.argv
if deaf:
    logging.disable()  # it would complain of what was taken back


@server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
async def suggest(params: types.InlineCompletionParams) -> list[types.InlineCompletionItem]:
    if deaf:
        time.sleep(seconds)
    else:
        await asyncio.sleep(seconds)
    here = types.Range(start=params.position, end=params.position)
    return [types.InlineCompletionItem(insert_text="other()", range=here)]


if __name__ == "__main__":
    server.start_io()
