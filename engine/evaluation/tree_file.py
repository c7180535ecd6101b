"""Source files that are not Python: their calls and bodies are found by the grammars of the language server."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module

from tree_sitter import Language, Node, Parser

from engine.evaluation.held_out import SourceFile

_GRAMMARS = {
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
}
_FUNCTIONS = (
    "function_declaration",
    "method_declaration",
    "method_definition",
    "generator_function_declaration",
    "function_item",
)


class TreeFile(SourceFile):
    """A TypeScript, Go or Rust file."""

    @cached_property
    def parses(self) -> bool:
        """True when the grammar finds no error."""
        return not self._root.has_error

    @cached_property
    def arguments(self) -> list[tuple[int, int]]:
        """The text between the parentheses of each call that has arguments."""
        lists = (node.child_by_field_name("arguments") for node in self._nodes if node.type == "call_expression")
        spans = [self._inside(node) for node in lists if node is not None and node.named_child_count]
        return [span for span in spans if span]

    @cached_property
    def bodies(self) -> list[tuple[int, int]]:
        """Each function's statements."""
        spans = []
        for node in self._nodes:
            body = node.child_by_field_name("body") if node.type in _FUNCTIONS else None
            inner = body.named_children if body is not None else []
            if inner and inner[0].start_point.row > node.start_point.row:
                spans.append((self._character(inner[0].start_byte), self._character(inner[-1].end_byte)))
        return [(start, start + len(self.text[start:end].rstrip())) for start, end in spans]

    @cached_property
    def _data(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _root(self) -> Node:
        module, function = _GRAMMARS[self.language]
        language = Language(getattr(import_module(module), function)())
        return Parser(language).parse(self._data).root_node

    @cached_property
    def _nodes(self) -> list[Node]:
        waiting, found = [self._root], []
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += reversed(node.children)
        return found

    def _inside(self, node: Node) -> tuple[int, int] | None:
        """The characters between a node's brackets, if it has any."""
        start, end = self._character(node.start_byte), self._character(node.end_byte)
        whole = self.text[start:end]
        return (start + 1, end - 1) if whole.startswith("(") and whole.endswith(")") else None

    def _character(self, byte: int) -> int:
        return len(self._data[:byte].decode())
