"""Lines and columns against a reference that goes character by character."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.positions import Encoding, LineStarts, characters_before, code_units, split_lines

characters = st.one_of(st.characters(), st.sampled_from("\r\n\x0b\x0c\x85\u2028\u2029\u0301א😀\ud83d"))
texts = st.text(characters)
encodings = st.sampled_from(get_args(Encoding))


def width(character: str, encoding: Encoding) -> int:
    if encoding == "utf-8":
        return 1 + sum(ord(character) >= first for first in (0x80, 0x800, 0x10000))
    return 2 if encoding == "utf-16" and ord(character) >= 0x10000 else 1


@given(texts)
def test_lines_make_up_the_text_and_end_where_lsp_says(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    assert [line.rstrip("\r\n") for line in lines] == text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@given(texts, encodings)
def test_code_units_are_the_sum_of_the_characters(text: str, encoding: Encoding) -> None:
    assert code_units(text, encoding) == sum(width(character, encoding) for character in text)


@given(texts, st.integers(0, 200), encodings)
def test_characters_before_a_column_lie_wholly_before_it(line: str, column: int, encoding: Encoding) -> None:
    count = units = 0
    for character in line:
        units += width(character, encoding)
        if units > column:
            break
        count += 1
    assert characters_before(line, column, encoding) == count


class InBlocksOfThree(LineStarts):
    BLOCK = 3


@given(st.text(st.sampled_from("a\r\né😀")), encodings, st.integers(0, 60))
def test_where_lines_start_is_the_sum_of_those_before(text: str, encoding: Encoding, offset: int) -> None:
    lines = split_lines(text)
    starts = [sum(code_units(line, encoding) for line in lines[:index]) for index in range(len(lines))]
    found = InBlocksOfThree(lines, encoding)
    assert [found.of(line) for line in range(len(lines))] == starts
    assert found.line_at(offset) == max(index for index, start in enumerate(starts) if start <= offset)
    with pytest.raises(IndexError):
        found.of(len(lines))
