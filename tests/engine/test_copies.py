"""Candidates copied from the file."""

from __future__ import annotations

from engine.infill.copies import copies, cuts


def test_what_followed_the_longest_earlier_match_comes_first():
    before = "self.first = first\nself.second = second\nself.first = "
    assert copies(before, "\n", [])[0] == "first"


def test_the_suffix_and_related_files_are_sources_too():
    assert "print(total)" in copies("    log", "\n    logprint(total)\n", ["\n    logprint(total)\n"])
    assert copies("import numpy", "\n", ["import numpy as np\n"]) == [" as np"]


def test_a_copy_may_end_before_what_follows_the_cursor():
    assert cuts("name, value)", ")\n")[0:2] == ["name, value)", "name, value"]


def test_a_copy_may_end_at_the_identifiers_end():
    assert "name" in cuts("name.strip()", " + x\n")


def test_where_whole_lines_are_wanted_no_copy_ends_inside_one():
    sources = ["    self.close()\n"]
    assert copies("    self.", "\n", sources) == ["close()", "close"]
    assert copies("    self.", "\n", sources, whole_lines=True) == ["close()"]


def test_copies_are_one_line_distinct_and_not_what_follows_already():
    found = copies("x = 1\nx = ", "1\n", ["x = 1\nx = 2\n"])
    assert "1" not in found
    assert len(set(found)) == len(found)
    assert all("\n" not in text and text.strip() for text in found)


def test_nothing_to_copy_in_an_empty_or_unique_text():
    assert copies("", "", []) == []
    assert copies("qzx", "\n", []) == []
