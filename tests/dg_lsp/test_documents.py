"""Snapshots against a reference that walks the text character by character."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lsprotocol import types

from dg_lsp.documents import UNNUMBERED, DocumentStore, Snapshot
from dg_lsp.positions import Encoding

URI = "file:///a.py"
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

# Letters of one to four bytes, a combining mark, right-to-left text, a lone surrogate, and all that
# str.splitlines takes for a line ending but LSP does not.
CHARACTERS = "ab \t\n\r" + "é€😀𝒳\u0301א\u202e\ud83d" + "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff"
texts = st.lists(st.sampled_from([*CHARACTERS, "\r\n", "def f():\n", "😀é\r\n"]), max_size=25).map("".join)
positions = st.builds(types.Position, line=st.integers(0, 8), character=st.integers(0, 12))
partial_changes = st.builds(
    types.TextDocumentContentChangePartial,
    range=st.builds(types.Range, start=positions, end=positions),
    text=texts,
)
whole_changes = st.builds(types.TextDocumentContentChangeWholeDocument, text=texts)
scripts = st.lists(st.one_of(partial_changes, partial_changes, partial_changes, whole_changes), max_size=8)
encodings = st.sampled_from(ENCODINGS)


def width(character: str, encoding: Encoding) -> int:
    if encoding == "utf-8":
        return len(character.encode("utf-8", "surrogatepass"))
    return 2 if encoding == "utf-16" and ord(character) > 0xFFFF else 1


def reference_offset(text: str, position: types.Position, encoding: Encoding) -> int:
    offset, line = 0, 0
    while line < position.line:
        while offset < len(text) and text[offset] not in "\r\n":
            offset += 1
        if offset == len(text):
            return offset
        offset += 2 if text[offset : offset + 2] == "\r\n" else 1
        line += 1
    column = 0
    while offset < len(text) and text[offset] not in "\r\n":
        column += width(text[offset], encoding)
        if column > position.character:
            break
        offset += 1
    return offset


def reference_change(text: str, change: types.TextDocumentContentChangeEvent, encoding: Encoding) -> str:
    if isinstance(change, types.TextDocumentContentChangeWholeDocument):
        return change.text
    edges = [reference_offset(text, edge, encoding) for edge in (change.range.start, change.range.end)]
    return text[: min(edges)] + change.text + text[max(edges) :]


def snapshot(text: str) -> Snapshot:
    return Snapshot(URI, "python", 1, text)


def opened(text: str) -> DocumentStore:
    store = DocumentStore()
    store.open(types.TextDocumentItem(uri=URI, language_id="python", version=1, text=text))
    return store


def change(
    store: DocumentStore, *changes: types.TextDocumentContentChangeEvent, encoding: Encoding, version: int = 2
) -> Snapshot:
    changed = store.change(types.VersionedTextDocumentIdentifier(version=version, uri=URI), changes, encoding)
    assert changed is not None
    return changed


def edit(line: int, start: int, end: int, text: str) -> types.TextDocumentContentChangePartial:
    where = types.Range(types.Position(line, start), types.Position(line, end))
    return types.TextDocumentContentChangePartial(range=where, text=text)


@given(texts, scripts, encodings)
@example("a\rX\nb", [edit(1, 0, 1, "")], "utf-16")  # "\r" and "\n" meet and are one line ending
@example("a\r\nb", [edit(0, 1, 1, "\r"), edit(2, 0, 0, "x")], "utf-8")
def test_change_equals_the_reference(
    text: str, script: list[types.TextDocumentContentChangeEvent], encoding: Encoding
) -> None:
    expected = text
    for step in script:
        expected = reference_change(expected, step, encoding)
    changed = change(opened(text), *script, encoding=encoding)
    assert changed.text == expected
    assert [changed.line_text(n) for n in range(changed.line_count)] == lines_of(expected)


def lines_of(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@given(texts, positions, encodings)
def test_offset_at_equals_the_reference(text: str, position: types.Position, encoding: Encoding) -> None:
    """T3: also beyond a last line without line ending, and the request's position stays as it was."""
    before = (position.line, position.character)
    assert snapshot(text).offset_at(position, encoding) == reference_offset(text, position, encoding)
    assert (position.line, position.character) == before


@given(texts, encodings)
def test_every_offset_has_a_position_that_leads_back(text: str, encoding: Encoding) -> None:
    document = snapshot(text)
    for offset in range(len(text) + 1):
        inside_line_ending = text[max(offset - 1, 0) : offset + 1] == "\r\n"
        expected = offset - 1 if inside_line_ending else offset
        assert document.offset_at(document.position_at(offset, encoding), encoding) == expected


@given(texts)
def test_bytes_and_characters_lead_to_each_other(text: str) -> None:
    document = snapshot(text)
    for offset in range(len(text) + 1):
        byte = len(text[:offset].encode("utf-8", "surrogatepass"))
        assert document.byte_at(offset) == byte
        assert document.offset_of_byte(byte) == offset
    assert document.utf8 == text.encode("utf-8", "surrogatepass")


@given(texts)
def test_lines_lie_between_their_offsets(text: str) -> None:
    document = snapshot(text)
    for line in range(document.line_count):
        start, end = document.line_start(line), document.line_end(line)
        assert text[start:end] == document.line_text(line)
        assert document.line_at(start) == document.line_at(end) == line


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_only_lsp_line_endings_end_a_line(separator: str) -> None:
    """T2: an edit behind one of these lands in the line the editor means."""
    changed = change(opened(f"a{separator}b\nsecond\n"), edit(1, 5, 6, "D!"), encoding="utf-16")
    assert changed.text == f"a{separator}b\nseconD!\n"
    assert changed.line_count == 3


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 5), ("utf-16", 3), ("utf-32", 2)])
def test_the_same_place_in_three_encodings(encoding: Encoding, column: int) -> None:
    """T17: the client chooses the encoding."""
    document = snapshot("a😀b")
    assert document.position_at(2, encoding) == types.Position(0, column)
    assert document.offset_at(types.Position(0, column), encoding) == 2
    if encoding != "utf-32":
        assert document.offset_at(types.Position(0, column - 1), encoding) == 1  # inside the character


one_line = st.text(CHARACTERS.replace("\n", "").replace("\r", ""), max_size=8)
in_one_line = st.builds(edit, st.integers(0, 1), st.integers(0, 20), st.integers(0, 20), one_line)


@given(one_line, st.lists(in_one_line, min_size=2, max_size=8), encodings, st.sampled_from(["", "\r\nlast"]))
def test_several_edits_of_a_long_line_equal_the_reference(
    text: str, script: list[types.TextDocumentContentChangePartial], encoding: Encoding, below: str
) -> None:
    """These are made in code units."""
    expected = text = text + "é" * 10_000 + below
    for step in script:
        expected = reference_change(expected, step, encoding)
    assert change(opened(text), *script, encoding=encoding).text == expected


def test_two_hundred_edits_of_one_message() -> None:
    """T4: each edit counts from the result of the one before."""
    lines = [f"line {n}" for n in range(2_000)]
    edits = [edit(n * 10, 0, 4, "new\n") for n in range(200)]
    expected = "\n".join(lines)
    for step in edits:
        expected = reference_by_lines(expected, step)
    assert change(opened("\n".join(lines)), *edits, encoding="utf-16").text == expected


def reference_by_lines(text: str, step: types.TextDocumentContentChangePartial) -> str:
    lines = text.split("\n")
    line = lines[step.range.start.line]
    lines[step.range.start.line] = line[: step.range.start.character] + step.text + line[step.range.end.character :]
    return "\n".join(lines)


def test_a_snapshot_outlives_later_versions_unchanged() -> None:
    """T7: a request keeps the version that it was asked about."""
    store = opened("one\ntwo\n")
    first = store.get(URI)
    second = change(store, edit(1, 0, 3, "2\n3"), encoding="utf-16")
    assert first is not None
    assert (first.version, first.text, first.line_count) == (1, "one\ntwo\n", 3)
    assert (second.version, second.text, second.line_count) == (2, "one\n2\n3\n", 4)
    assert store.get(URI) is second


def test_a_change_of_what_is_not_open_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    store = opened("text")
    store.close(URI)
    document = types.VersionedTextDocumentIdentifier(version=2, uri=URI)
    for _ in range(3):
        assert store.change(document, [edit(0, 0, 0, "x")], "utf-16") is None
    assert store.get(URI) is None
    assert caplog.messages == [f"{URI} was changed but is not open; it has to be opened again"]


def test_a_version_that_does_not_follow_is_logged_once_and_taken(caplog: pytest.LogCaptureFixture) -> None:
    store = opened("a")
    for _ in range(3):
        latest = change(store, edit(0, 0, 0, "b"), encoding="utf-16", version=1)
    assert (latest.version, latest.text) == (1, "bbba")
    assert caplog.messages == [f"{URI} went from version 1 to 1; its edits are applied"]


def test_versions_may_leave_gaps(caplog: pytest.LogCaptureFixture) -> None:
    """LSP wants them to increase, no more."""
    assert change(opened("a"), edit(0, 0, 0, "b"), encoding="utf-16", version=9).version == 9
    assert caplog.messages == []


def test_a_document_opened_twice_has_the_second_text(caplog: pytest.LogCaptureFixture) -> None:
    store = opened("first")
    store.open(types.TextDocumentItem(uri=URI, language_id="rust", version=5, text="second"))
    document = store.get(URI)
    assert document is not None
    assert (document.text, document.language_id, document.version) == ("second", "rust", 5)
    assert caplog.messages == [f"{URI} was opened twice; the second text holds"]


@given(texts, encodings)
def test_a_position_beyond_line_or_file_is_clamped(text: str, encoding: Encoding) -> None:
    """A column goes back to its line's end, a line to the document's end (LSP 3.18, Position)."""
    document, far = snapshot(text), 2**31 - 1
    for line in range(document.line_count):
        assert document.offset_at(types.Position(line, far), encoding) == document.line_end(line)
    assert document.offset_at(types.Position(document.line_count, 0), encoding) == len(text)
    assert document.offset_at(types.Position(far, far), encoding) == len(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_single_line_of_a_megabyte(encoding: Encoding) -> None:
    """Minified files are like this; the edit lies behind a million characters of two kinds."""
    line = "x='é😀';" * 150_000
    column = width("é", encoding) + width("😀", encoding) + 5
    changed = change(opened(line), edit(0, column * 149_999, column * 150_000, "end"), encoding=encoding)
    assert changed.text == line[: -len("x='é😀';")] + "end"
    assert changed.position_at(len(changed.text), encoding) == types.Position(0, column * 149_999 + 3)


@pytest.mark.parametrize(
    ("text", "eol"),
    [("", "\n"), ("a", "\n"), ("a\nb\r\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\rc\n", "\r")],
)
def test_the_prevailing_line_ending(text: str, eol: str) -> None:
    assert snapshot(text).eol == eol


def test_a_version_that_the_editor_does_not_tell_is_counted() -> None:
    store = DocumentStore()
    versions = [store.open(types.TextDocumentItem(URI, "python", UNNUMBERED, "a\n")).version]
    for text in ("b\n", "c\n"):
        whole = types.TextDocumentContentChangeWholeDocument(text)
        changed = store.change(types.VersionedTextDocumentIdentifier(UNNUMBERED, URI), [whole], "utf-16")
        assert changed
        versions.append(changed.version)
    assert versions == [0, 1, 2]


@given(texts, texts, st.integers(0, 30))
def test_what_was_inserted_at_a_place_is_known(text: str, typed: str, place: int) -> None:
    old = Snapshot(URI, "python", 1, text)
    place = min(place, len(text))
    new = Snapshot(URI, "python", 2, text[:place] + typed + text[place:])
    inserted = new.inserted_since(old, place)
    if text[place - 1 : place + 1] != "\r\n" and not (text[:place].endswith("\r") and typed.startswith("\n")):
        assert inserted == typed
    assert inserted is None or text[:place] + inserted + text[place:] == new.text


@given(texts, texts, st.integers(0, 30))
def test_no_other_change_is_taken_for_an_insertion(text: str, now: str, place: int) -> None:
    old, new = Snapshot(URI, "python", 1, text), Snapshot(URI, "python", 2, now)
    place = min(place, len(text))
    inserted = new.inserted_since(old, place)
    assert inserted is None or text[:place] + inserted + text[place:] == now
