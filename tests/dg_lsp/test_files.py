"""Files as they come from a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from dg_lsp.files import MAX_BYTES, DocumentError, read_document
from dg_lsp.language_ids import language_for, language_of


def test_a_file_keeps_its_mark_and_line_endings(tmp_path: Path) -> None:
    path = tmp_path / "a.rs"
    path.write_bytes("\ufeffa\r\nb\x0c\rc\u2028".encode())
    document = read_document(path)
    assert document.text == "\ufeffa\r\nb\x0c\rc\u2028"
    assert (document.language_id, document.uri) == ("rust", path.as_uri())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\0b", "binary"),
        ("é".encode("latin-1"), r"not UTF-8 \(byte 0\)"),
        (b"a" * (MAX_BYTES + 1), "too large .* 4 MiB"),
    ],
)
def test_an_unusable_file_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=message):
        read_document(path)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        read_document(tmp_path / "none.py")
    with pytest.raises(DocumentError, match="is not a file"):
        read_document(tmp_path)


def test_languages_by_file_name() -> None:
    assert language_of("src/App.TSX") == "typescriptreact"
    assert language_of(Path("a/b.hpp")) == "cpp"
    assert language_of("Makefile") == "plaintext"


@pytest.mark.parametrize(
    ("given", "name", "language"),
    [
        ("python", "a", "python"),
        ("Python", "a", "python"),
        ("py", "a", "python"),
        ("", "a.py", "python"),
        ("plaintext", "a.py", "python"),
        ("python-ts", "a.PY", "python"),
        ("js", "a.mjs", "javascript"),
        ("jsx", "", "javascriptreact"),
        ("ts", "Untitled-1", "typescript"),
        ("tsx", "a.tsx", "typescriptreact"),
        ("c++", "a.cc", "cpp"),
        ("golang", "a.go", "go"),
        ("rs", "", "rust"),
        ("c", "a.h", "c"),
        ("objective-c", "a.h", "objective-c"),
        ("markdown", "a.py", "markdown"),
        ("plaintext", "notes", "plaintext"),
        ("", "", "plaintext"),
        ("COBOL", "a.cbl", "COBOL"),
    ],
)
def test_languages_as_editors_call_them(given: str, name: str, language: str) -> None:
    assert language_for(given, name) == language
