"""Makes syntax trees: at once where that is quick, else in a thread, so that the event loop goes on.

tree-sitter holds the interpreter lock while it parses, but for the moments in which it calls back. A long text is
parsed as an edit of the last one of its document.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakValueDictionary

from tree_sitter import Language, Parser, Tree

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.languages import grammar

MAX_PARSE_BYTES = 2 * 1024 * 1024
"""Longer texts are not parsed."""

MAX_PARSE_S = 0.5
"""Seconds of the processor after which parsing is given up; 0.3 are usual for the longest texts."""

NOT_YET = "the file is being parsed"

_AGAIN_S = 30.0
"""Between two attempts at a document whose parsing was given up: with every key would be too often."""

_SHORT = 64 * 1024
"""Bytes that are parsed whole and at once, in some 10 ms: an edited tree may differ where there are errors."""
_AT_ONCE_S = 0.01
"""Of the event loop's time, for an edit of a longer text."""
_BASES = 2
"""Documents whose last tree is kept."""

# The time of a query grows with the square of what stands side by side in an error, and cannot be limited:
# tree-sitter 0.26.1 crashes when a query is given a progress callback.
_MAX_IN_ERROR = 5000

_CHUNK = 256
"""Bytes that are read at once. Few, because tree-sitter 0.26.1 never frees what its reading callback hands out."""

_WORK_S = 0.002
"""Of a thread's time, after which it pauses: each read and each write of the event loop waits for the interpreter."""
_PAUSE_S = 0.001
_LONE_CR = re.compile(rb"\r(?!\n)")

Parsed = Tree | str
"""A tree, or why there is none."""

Edit = tuple[int, int, int]
"""Where an edit starts, where it ended in the old text and where it ends in the new one, in bytes."""


@dataclass(frozen=True, slots=True)
class _Base:
    """The last tree of a document, and the seconds that it took to parse it as an edit of the one before (or 0)."""

    language: Language
    source: bytes
    tree: Tree
    edit_s: float


_parsed: WeakKeyDictionary[Snapshot, Parsed | Future[Parsed]] = WeakKeyDictionary()
_bases: dict[str, _Base] = {}
_given_up: dict[str, float] = {}
_slow: set[str] = set()
"""Documents whose short text took too long: it is not parsed at once until it does not."""
_waiting: WeakValueDictionary[str, Future[Parsed]] = WeakValueDictionary()  # a tree goes with its snapshot
_thread = ThreadPoolExecutor(1, thread_name_prefix="parser")


def tree_or_reason(snapshot: Snapshot) -> Parsed:
    """The syntax tree of a snapshot, or why it has none, in one line.

    On the event loop that is `NOT_YET` while a long text is parsed in the thread; elsewhere it is waited for.
    """
    known = _parsed.get(snapshot)
    if known is None:
        known = _parsed[snapshot] = _begun(snapshot)
    if isinstance(known, Future):
        if _on_event_loop() and (known.cancelled() or not known.done()):
            return NOT_YET
        try:
            known = known.result()
        except CancelledError:  # for a newer version; who waits here needs this one
            known = _begun(snapshot)
            assert not isinstance(known, Future)
        _parsed[snapshot] = known
    return known


def reparsed(tree: Tree, language: Language, old: bytes, new: bytes, edit: Edit, max_s: float) -> Tree | None:
    """The tree of `new`, which is `old`, the text of `tree`, with `old[start:old_end]` made `new[start:new_end]`.

    None when it takes longer than `max_s` of the processor's time, which only a longer text is asked to keep.
    """
    start, old_end, new_end = edit
    edited = tree.copy()
    edited.edit(
        start_byte=start,
        old_end_byte=old_end,
        new_end_byte=new_end,
        start_point=_point(old, start),
        old_end_point=_point(old, old_end),
        new_end_point=_point(new, new_end),
    )
    if len(new) <= _SHORT:
        return Parser(language).parse(new, edited)
    return _parsed_bit_by_bit(language, new, edited, max_s)


def _begun(snapshot: Snapshot) -> Parsed | Future[Parsed]:
    language = grammar(snapshot.language_id)
    if language is None:
        return f"no grammar for {snapshot.language_id}"
    if len(snapshot.utf8) > MAX_PARSE_BYTES:
        size = len(snapshot.utf8) / 1024**2
        return f"the file is too large to parse ({size:.1f} MiB): files up to {MAX_PARSE_BYTES // 1024**2} MiB are"
    if _is_short(snapshot) or not _on_event_loop():
        return _parse(snapshot, language)
    given_up = _given_up.get(snapshot.uri)
    if given_up is not None and time.monotonic() < given_up + _AGAIN_S:
        return _too_slow()
    return _parse_at_once(snapshot, language) or _parse_in_thread(snapshot, language)


def _parse_at_once(snapshot: Snapshot, language: Language) -> Parsed | None:
    """As an edit; None where that has taken long before, or does now."""
    base = _bases.get(snapshot.uri)
    return _parse_edited(snapshot, language, _AT_ONCE_S) if base and base.edit_s <= _AT_ONCE_S else None


def _parse_in_thread(snapshot: Snapshot, language: Language) -> Future[Parsed]:
    """Of versions that wait for the thread only the newest one is of use."""
    if older := _waiting.get(snapshot.uri):
        older.cancel()
    work = _waiting[snapshot.uri] = _thread.submit(_parse, snapshot, language)
    return work


def _is_short(snapshot: Snapshot) -> bool:
    return len(snapshot.utf8) <= _SHORT and snapshot.uri not in _slow


def _parse(snapshot: Snapshot, language: Language) -> Parsed:
    at_once = _is_short(snapshot)
    if not at_once and (edited := _parse_edited(snapshot, language, MAX_PARSE_S)):
        return edited
    source, begun = source_of(snapshot), time.thread_time()
    tree = Parser(language).parse(source) if at_once else _parsed_bit_by_bit(language, source, None, MAX_PARSE_S)
    if tree is None or time.thread_time() - begun > MAX_PARSE_S:
        _given_up[snapshot.uri] = time.monotonic()
        _slow.add(snapshot.uri)
        return _too_slow()
    _slow.discard(snapshot.uri)
    return _kept(snapshot, _Base(language, source, tree, 0.0))


def _too_slow() -> str:
    return f"the file takes longer than {MAX_PARSE_S:.1f} s to parse"


def _parse_edited(snapshot: Snapshot, language: Language, max_s: float) -> Parsed | None:
    """As an edit of the document's last tree; None without one, and when it takes too long."""
    base = _bases.get(snapshot.uri)
    if base is None or base.language is not language:
        return None
    begun = time.thread_time()
    old, new = base.source, source_of(snapshot)
    start = _common(old, new)
    behind = _common_end(old[start:], new[start:])
    tree = reparsed(base.tree, language, old, new, (start, len(old) - behind, len(new) - behind), max_s)
    return _kept(snapshot, _Base(language, new, tree, time.thread_time() - begun)) if tree else None


def _kept(snapshot: Snapshot, base: _Base) -> Parsed:
    tree = base.tree
    if len(base.source) > _SHORT:
        _bases.pop(snapshot.uri, None)
        _bases[snapshot.uri] = base
        for uri in list(_bases)[:-_BASES]:
            _bases.pop(uri, None)
    if tree.root_node.has_error:
        errors = [node for node in (tree.root_node, *tree.root_node.children) if node.is_error]
        if any(node.child_count > _MAX_IN_ERROR for node in errors):
            return f"the file is no {snapshot.language_id} as a whole"
    return tree


def source_of(snapshot: Snapshot) -> bytes:
    """What the grammars read: they do not take a lone "\\r" for a line ending; "\\n" is as long, so offsets hold."""
    source = snapshot.utf8
    return source if source.count(b"\r") == source.count(b"\r\n") else _LONE_CR.sub(b"\n", source)


def _parsed_bit_by_bit(language: Language, source: bytes, base: Tree | None, max_s: float) -> Tree | None:
    """The tree of a text, whose parsing lets others go on and is given up in the end: for its memory see `_CHUNK`."""
    parse = Parser(language).parse  # it takes no None for a tree
    pause = end = time.thread_time() + max_s
    if threading.current_thread() is not threading.main_thread():
        pause = time.thread_time() + _WORK_S

    def read(byte: int, _: object) -> bytes:
        return source[byte : byte + _CHUNK]

    def too_late(*_: object) -> bool:
        nonlocal pause
        now = time.thread_time()
        if now > pause:
            time.sleep(_PAUSE_S)
            pause = now + _WORK_S
        return now > end

    try:
        return parse(read, base, progress_callback=too_late) if base else parse(read, progress_callback=too_late)
    except ValueError:  # tree-sitter's word for a parse that was given up
        return None


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _common_end(one: bytes, other: bytes) -> int:
    """How many bytes two texts end with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        ends = (text[len(text) - middle : len(text) - low] for text in (one, other))
        low, high = (middle, high) if next(ends) == next(ends) else (low, middle - 1)
    return low


def _point(source: bytes, byte: int) -> tuple[int, int]:
    return source.count(b"\n", 0, byte), byte - (source.rfind(b"\n", 0, byte) + 1)


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
