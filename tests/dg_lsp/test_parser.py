"""Trees of long texts: made off the event loop, and as an edit of the last one."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Node, Parser

from dg_lsp.documents import Snapshot
from dg_lsp.files import read_document
from dg_lsp.syntax import parser
from dg_lsp.syntax.languages import grammar
from dg_lsp.syntax.parser import NOT_YET
from dg_lsp.syntax.tree import parse, why_no_tree

SOURCES = Path(__file__).parents[2] / "fixtures" / "sources"
LONG = "".join(f"def work_{n}(first, second):\n    return compute(first, second)  # é\n\n" for n in range(2_000))
URI = "file:///long.py"


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    parser._bases.clear()
    parser._given_up.clear()
    parser._slow.clear()


def test_on_the_event_loop_a_long_text_has_no_tree_until_the_thread_made_it() -> None:
    document = Snapshot(URI, "python", 1, LONG)

    async def ask() -> tuple[str | None, bool]:
        first = why_no_tree(document)
        while parse(document) is None:
            await asyncio.sleep(0.01)
        return first, why_no_tree(document) is None

    assert asyncio.run(ask()) == (NOT_YET, True)
    assert parse(document) is parse(document)


def test_off_the_event_loop_the_tree_is_waited_for() -> None:
    document = Snapshot(URI, "python", 1, LONG)

    async def ask() -> tuple[str | None, bool]:
        return why_no_tree(document), await asyncio.to_thread(parse, document) is not None

    assert asyncio.run(ask()) == (NOT_YET, True)


def test_of_versions_that_wait_only_the_newest_is_parsed() -> None:
    versions = [Snapshot(URI, "python", n, f"{LONG}# {n}\n") for n in range(5)]

    async def ask() -> list[str | None]:
        free = threading.Event()
        parser._thread.submit(free.wait)
        for version in versions:
            parse(version)
        free.set()
        while parse(versions[-1]) is None:
            await asyncio.sleep(0.01)
        return [why_no_tree(version) for version in versions[-2:]]

    assert asyncio.run(ask()) == [NOT_YET, None]


def test_of_a_document_that_is_gone_nothing_is_kept() -> None:
    async def ask() -> None:
        document = Snapshot("file:///gone.py", "python", 1, LONG)
        while parse(document) is None:
            await asyncio.sleep(0.01)

    asyncio.run(ask())
    assert "file:///gone.py" not in parser._waiting


def test_the_versions_of_a_text_leave_no_memory_behind() -> None:
    text = LONG[:30_000]
    parse(Snapshot(URI, "python", 0, text))
    tracemalloc.start()
    try:
        for version in range(50):
            parse(Snapshot(URI, "python", version, f"{text}# {version}\n"))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 10 * len(text)
    finally:
        tracemalloc.stop()


def test_who_waits_for_a_version_gets_its_tree_though_a_newer_one_is_asked_for() -> None:
    older, newer = (Snapshot(URI, "python", n, f"{LONG}# {n}\n") for n in range(2))

    async def ask() -> bool:
        free = threading.Event()
        parser._thread.submit(free.wait)
        assert why_no_tree(older) == NOT_YET
        waiting = asyncio.create_task(asyncio.to_thread(parse, older))
        await asyncio.sleep(0.05)
        assert why_no_tree(newer) == NOT_YET
        free.set()
        return await waiting is not None

    assert asyncio.run(ask())


def test_a_short_edit_of_a_long_text_has_its_tree_at_once() -> None:
    before, after = (
        Snapshot(URI, "python", n, text) for n, text in enumerate((LONG, LONG.replace("_7(", "_seven(", 1)))
    )
    assert parse(before)

    async def ask() -> bool:
        return parse(after) is not None

    assert asyncio.run(ask())


def test_a_text_that_takes_too_long_is_not_tried_again_with_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_PARSE_S", 0.0)
    assert why_no_tree(Snapshot(URI, "python", 1, LONG)) == "the file takes longer than 0.0 s to parse"
    monkeypatch.setattr(parser, "MAX_PARSE_S", 10.0)

    async def ask() -> str | None:
        return why_no_tree(Snapshot(URI, "python", 2, LONG))

    assert asyncio.run(ask()) == "the file takes longer than 10.0 s to parse"
    monkeypatch.setattr(parser, "_AGAIN_S", 0.0)
    assert asyncio.run(ask()) == NOT_YET


def test_an_edit_that_takes_long_is_parsed_in_the_thread_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = LONG, LONG.replace("_7(", "_seven(", 1), LONG.replace("_7(", "_eight(", 1)
    before, slow, after = (Snapshot(URI, "python", n, text) for n, text in enumerate(texts))
    monkeypatch.setattr(parser, "_AT_ONCE_S", 0.0)
    assert parse(before)
    assert parse(slow)

    async def ask() -> str | None:
        return why_no_tree(after)

    assert asyncio.run(ask()) == NOT_YET


edits = st.tuples(
    st.integers(0, 400), st.integers(0, 9), st.sampled_from(["", "x", "\n", "    ", "(", ")", "é", "#", '"', "if a:\n"])
)


@pytest.mark.parametrize("file", ["inventory.py", "cart.js", "ring_buffer.rs", "wordcount.go", "matrix.cpp"])
@given(st.lists(edits, max_size=4))
@settings(max_examples=25, deadline=None)
def test_an_edited_tree_is_that_of_the_new_text(file: str, script: list[tuple[int, int, str]]) -> None:
    """Where the new text has errors, the two may differ in what they make of them."""
    before = read_document(SOURCES / file)
    text = before.text
    for start, length, new in script:
        text = text[:start] + new + text[start + length :]
    language = grammar(before.language_id)
    assert language
    whole = Parser(language).parse(text.encode())
    old, new_source = before.utf8, text.encode()
    start = parser._common(old, new_source)
    end = parser._common_end(old[start:], new_source[start:])
    tree = Parser(language).parse(old)
    edit = start, len(old) - end, len(new_source) - end
    edited = parser.reparsed(tree, language, old, new_source, edit, 10)
    assert edited
    assert old[:start] + new_source[start : len(new_source) - end] + old[len(old) - end :] == new_source
    if not whole.root_node.has_error:
        assert shape(edited.root_node) == shape(whole.root_node)


def shape(node: Node) -> list[tuple[str, int, int]]:
    nodes, waiting = [], [node]
    while waiting:
        node = waiting.pop()
        nodes.append((node.type, node.start_byte, node.end_byte))
        waiting += node.children
    return nodes


def test_a_short_text_that_takes_too_long_holds_the_event_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = [Snapshot(URI, "python", n, f"x = 1\n# {n}\n") for n in range(3)]
    monkeypatch.setattr(parser, "MAX_PARSE_S", 0.0)
    why = "the file takes longer than 0.0 s to parse"
    assert why_no_tree(versions[0]) == why

    async def ask(version: Snapshot) -> str | None:
        return why_no_tree(version)

    assert asyncio.run(ask(versions[1])) == why
    monkeypatch.setattr(parser, "MAX_PARSE_S", 10.0)
    monkeypatch.setattr(parser, "_AGAIN_S", 0.0)
    assert asyncio.run(ask(versions[2])) == NOT_YET
    assert parse(versions[2])
    assert asyncio.run(ask(Snapshot(URI, "python", 3, "x = 1\n"))) is None
