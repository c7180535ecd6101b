"""What was accepted of an offer, seen from the edits: at once and to a boundary, else it was typed or passed over."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dg_lsp.completion.acceptance import Acceptance, Outcome
from dg_lsp.documents import DocumentStore, Snapshot
from dg_lsp.syntax.holes import Hole

URI = "file:///a.py"


class Editor:
    """A document with a cursor at │, offers there, and edits as an editor sends them."""

    def __init__(self, text: str) -> None:
        before, _, after = text.partition("│")
        self.store = DocumentStore()
        self.store.open(types.TextDocumentItem(URI, "python", 1, before + after))
        self.cursor = len(before)
        self.outcomes: list[Outcome] = []
        self.acceptance = Acceptance(self.outcomes.append)

    @property
    def snapshot(self) -> Snapshot:
        snapshot = self.store.get(URI)
        assert snapshot
        return snapshot

    def offer(self, *texts: str, replace: int = 0) -> None:
        """Offer texts at the cursor, in place of `replace` characters before it."""
        hole = Hole(kind="cursor", start=self.cursor - replace, end=self.cursor, label="", single_line=False)
        self.acceptance.offered(self.snapshot, hole, texts)

    def insert(self, *pieces: str) -> None:
        """Insert pieces at the cursor, one after the other, and tell of them in one message."""
        self.edit([(self.cursor, self.cursor, piece) for piece in pieces])

    def edit(self, edits: Sequence[tuple[int, int, str]]) -> None:
        """Replace ranges of offsets; all of them are told in one message, and the cursor is behind the last one."""
        changes: list[types.TextDocumentContentChangeEvent] = []
        snapshot, shift = self.snapshot, 0
        for start, end, text in edits:
            ends = [snapshot.position_at(offset + shift, "utf-16") for offset in (start, end)]
            changes.append(types.TextDocumentContentChangePartial(range=types.Range(*ends), text=text))
            document = types.VersionedTextDocumentIdentifier(version=snapshot.version + 1, uri=URI)
            snapshot = self.store.change(document, changes[-1:], "utf-16") or snapshot
            self.cursor = start + shift + len(text)
            shift += len(text) if len(edits) > 1 else 0
        self.acceptance.edited(snapshot, changes)

    def backspace(self) -> None:
        self.edit([(self.cursor - 1, self.cursor, "")])

    def close(self) -> Outcome:
        """The outcome of the only offer."""
        self.acceptance.closed(URI)
        (outcome,) = self.outcomes
        return outcome


def test_the_whole_text_at_once_is_accepted() -> None:
    editor = Editor("def f(x):\n    return │\n")
    editor.offer("x + 1\n    # done")
    editor.insert("x + 1\n    # done")
    assert editor.outcomes == [Outcome("python", "full", 16)]


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        ("first", "word"),
        ("first.", "word"),
        ("first.second", "word"),
        ("first.second(1)", "line"),
        ("first.second(1)\n", "line"),
        ("first.second(1)\nthird", "word"),
        ("fir", None),
        ("first.sec", None),
    ],
)
def test_a_part_at_once_is_accepted_when_it_ends_where_a_word_or_a_line_does(piece: str, kind: str | None) -> None:
    editor = Editor("x = │\n")
    editor.offer("first.second(1)\nthird = 2")
    editor.insert(piece)
    assert editor.close() == Outcome("python", kind, len(piece) if kind else 0)


def test_word_by_word_to_the_end_counts_as_all_and_saves_every_character() -> None:
    editor = Editor("│")
    editor.offer("one two three")
    for piece in ("one", " two", " three"):
        editor.insert(piece)
    assert editor.outcomes == [Outcome("python", "full", 13)]


def test_what_was_typed_before_saves_nothing() -> None:
    editor = Editor("x = │")
    editor.offer("compute(1)")
    editor.insert("c")
    editor.insert("o")
    editor.insert("mpute(1)")
    assert editor.outcomes == [Outcome("python", "full", 8)]


@pytest.mark.parametrize(
    "pieces", [["call", "()"], ["if x:", "\n    "], ["d", "[", "]"]], ids=["pair", "indent", "keys"]
)
def test_what_editors_add_to_typing_is_no_acceptance(pieces: list[str]) -> None:
    editor = Editor("│")
    editor.offer("".join(pieces) + " rest")
    for key in pieces[0]:
        editor.insert(key)
    for piece in pieces[1:]:
        editor.insert(piece)
    assert editor.close() == Outcome("python", None, 0)


def test_keys_that_an_editor_gathers_in_one_message_are_typed() -> None:
    editor = Editor("│")
    editor.offer("one two")
    editor.insert("o", "n", "e")
    assert editor.close().kind is None


def test_the_same_word_at_once_is_accepted() -> None:
    editor = Editor("│")
    editor.offer("one two")
    editor.insert("one")
    assert editor.close().kind == "word"


def test_a_whole_document_as_the_change_tells_the_same() -> None:
    editor = Editor("a = │\n")
    editor.offer("compute() + 1")
    for version, text in enumerate(("compute() +", "compute", "compute() + 1"), 2):
        document = types.VersionedTextDocumentIdentifier(version=version, uri=URI)
        change = types.TextDocumentContentChangeWholeDocument(text=f"a = {text}\n")
        after = editor.store.change(document, [change], "utf-16")
        assert after
        editor.acceptance.edited(after, [change])
    assert editor.outcomes == [Outcome("python", "full", 11 + 6)]


def test_windows_line_ends_agree_with_newlines() -> None:
    editor = Editor("if x:\r\n    │\r\nz\r\n")
    editor.offer("one\n    two")
    editor.insert("one\r\n    two")
    assert editor.outcomes == [Outcome("python", "full", 11)]


def test_any_of_several_texts_may_be_accepted() -> None:
    editor = Editor("│")
    editor.offer("one()", "two()", "two() + 1")
    editor.insert("two() + 1")
    assert editor.outcomes == [Outcome("python", "full", 9)]


def test_an_entry_selected_in_the_completion_list_is_replaced() -> None:
    editor = Editor("pri│")
    editor.offer("print(x)", replace=3)
    editor.edit([(0, 3, "print(x)")])
    assert editor.outcomes == [Outcome("python", "full", 5)]


@pytest.mark.parametrize("other", ["y", "yes"])
def test_other_text_ends_the_offer(other: str) -> None:
    editor = Editor("│")
    editor.offer("no")
    editor.insert(other)
    assert editor.outcomes == [Outcome("python", None, 0)]


def test_deleting_what_was_typed_leaves_the_offer_and_deleting_before_it_ends_it() -> None:
    editor = Editor("ab│")
    editor.offer("cde f")
    editor.insert("c")
    editor.backspace()
    assert editor.outcomes == []
    editor.insert("cde")
    assert editor.outcomes == []
    editor.edit([(1, 2, "")])
    assert editor.outcomes == [Outcome("python", "word", 3)]


def test_an_edit_in_another_line_leaves_the_offer_and_one_that_moves_it_ends_it() -> None:
    editor = Editor("a\n│\nb\n")
    editor.offer("two words")
    place = editor.cursor
    editor.edit([(0, 1, "other")])
    assert editor.outcomes == []
    editor.cursor = place + 4
    editor.insert("two")
    editor.edit([(0, 0, "\n")])
    assert editor.outcomes == [Outcome("python", "word", 3)]


def test_a_line_that_goes_above_ends_the_offer() -> None:
    editor = Editor("a\n│\n")
    editor.offer("one")
    editor.edit([(0, 2, "")])
    assert editor.outcomes == [Outcome("python", None, 0)]


def test_an_edit_of_what_follows_in_the_line_ends_the_offer() -> None:
    editor = Editor("│ab\n")
    editor.offer("two words")
    editor.insert("two")
    editor.edit([(3, 5, "cd")])
    assert editor.outcomes == [Outcome("python", "word", 3)]


def test_the_same_text_offered_in_another_line_is_another_offer() -> None:
    editor = Editor("│\n\n")
    editor.offer("one")
    editor.cursor = 1
    editor.offer("one")
    editor.insert("one")
    assert [outcome.kind for outcome in editor.outcomes] == [None, "full"]


def test_the_rest_offered_again_is_the_same_offer() -> None:
    editor = Editor("def f():\n    │\n")
    text = "return 1\n    # end"
    editor.offer(text)
    for typed, key in enumerate("return ", 1):
        editor.insert(key)
        editor.offer(text[typed:])
    editor.insert("1\n    # end")
    assert editor.outcomes == [Outcome("python", "full", 11)]


def test_the_rest_offered_again_in_a_later_line_is_the_same_offer() -> None:
    editor = Editor("│\n")
    editor.offer("one\ntwo three")
    editor.insert("one\n")
    editor.offer("two three", "other")
    editor.insert("other")
    assert editor.outcomes == [Outcome("python", "full", 9)]


def test_another_offer_ends_the_one_before() -> None:
    editor = Editor("│")
    editor.offer("one")
    editor.offer("two")
    assert editor.outcomes == [Outcome("python", None, 0)]
    editor.insert("two")
    assert len(editor.outcomes) == 2


def test_the_rate_is_of_the_last_fifty_and_known_from_the_tenth_on() -> None:
    editor = Editor("│")
    for number in range(60):
        assert (editor.acceptance.rate is None) is (number < 10)
        editor.offer(f"text{number} ")
        editor.insert(f"text{number} " if number < 25 else "no")
    assert editor.acceptance.rate == 15 / 50


# Properties

TEXTS = st.text(st.sampled_from("ab_ (\n.é😀"), min_size=1, max_size=12)
DOCUMENTS = st.tuples(TEXTS, TEXTS).map("│".join)


@given(DOCUMENTS, TEXTS.filter(lambda text: len(text) > 1 and text.strip() and text not in "()"))
def test_what_comes_whole_is_accepted_anywhere(document: str, text: str) -> None:
    editor = Editor(document)
    editor.offer(text)
    editor.insert(text)
    assert editor.outcomes == [Outcome("python", "full", len(text))]


@given(DOCUMENTS, TEXTS)
def test_what_is_typed_is_never_accepted(document: str, text: str) -> None:
    editor = Editor(document)
    editor.offer(text)
    for key in text:
        editor.insert(key)
    assert editor.outcomes == [Outcome("python", None, 0)]


@given(DOCUMENTS, TEXTS, st.data())
def test_what_comes_in_pieces_saves_no_more_than_it_brings(document: str, text: str, data: st.DataObject) -> None:
    editor, come, saved = Editor(document), 0, 0
    editor.offer(text)
    while come < len(text):
        piece = text[come : data.draw(st.integers(come + 1, len(text)))]
        come += len(piece)
        saved += len(piece) if len(piece) > 1 else 0
        editor.insert(piece)
        if come < len(text):
            editor.offer(text[come:])
    (outcome,) = editor.outcomes
    assert outcome.characters <= saved
    assert (outcome.kind is None) == (outcome.characters == 0)


STEPS = st.tuples(st.sampled_from(["offer", "edit", "accept", "close"]), TEXTS, st.integers(0, 30), st.integers(0, 3))


@given(DOCUMENTS, st.lists(STEPS, max_size=30))
def test_any_edits_and_offers_are_followed_and_each_offer_counted_at_most_once(
    document: str, steps: list[tuple[str, str, int, int]]
) -> None:
    editor, offers, inserted = Editor(document), 0, 0
    for kind, text, place, length in steps:
        size = len(editor.snapshot.text)
        if kind == "offer":
            editor.cursor = min(place, size)
            editor.offer(text)
            offers += 1
        elif kind == "close":
            editor.acceptance.closed(URI)
        else:
            start = min(place, size) if kind == "edit" else editor.cursor
            end = min(start + length, size) if kind == "edit" else start
            editor.edit([(start, end, text)])
            inserted += len(text)
    editor.acceptance.closed(URI)
    assert len(editor.outcomes) <= offers
    assert sum(outcome.characters for outcome in editor.outcomes) <= inserted
