"""Headers as clients write them."""

from __future__ import annotations

from io import BytesIO

import pytest

from dg_lsp.framing import MalformedHeader, read_message


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 2\r\n\r\n",
        b"content-length: 2\r\n\r\n",
        b"CONTENT-LENGTH:2\r\n\r\n",
        b"Content-Length:  2\r\n\r\n",
        b"Content-Length:\t2\r\n\r\n",
        b"Content-Length: 2 \t\r\n\r\n",
        b"Content-Length : 2\r\n\r\n",
        b"Content-Length: 2\n\n",
        b"\r\n\r\nContent-Length: 2\r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\nContent-Type: text/plain\n\n",
    ],
)
def test_a_header_is_read_however_it_is_written(header: bytes) -> None:
    stream = BytesIO((header + b"{}") * 2)
    assert [read_message(stream), read_message(stream), read_message(stream)] == [b"{}", b"{}", None]


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: abc\r\n\r\n",
        b"Content-Length: -2\r\n\r\n",
        b"Content-Length:\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Content-Length: 9999999999\r\n\r\n",
        b"Content-Type: text/plain\r\n\r\n",
        b'{"jsonrpc": "2.0", "id": 1, "method": "sesame"}\n',
        b"sesame = 1\n",
    ],
)
def test_a_malformed_header_is_an_error_that_quotes_nothing(header: bytes) -> None:
    with pytest.raises(MalformedHeader) as error:
        read_message(BytesIO(header + b"{}"))
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize("cut", [b"", b"Content-Le", b"Content-Length: 9\r\n", b"Content-Length: 9\r\n\r\n{"])
def test_a_stream_that_ends_within_a_message_has_ended(cut: bytes) -> None:
    assert read_message(BytesIO(cut)) is None
