"""Finds names that an answer reads although nothing in sight defines them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tree_sitter import Node

from dg_lsp.completion.filters.place import Place
from dg_lsp.completion.filters.syntax_gate import parse_with
from dg_lsp.syntax.builtin_names import BUILTIN_NAMES

_BOUND_NAME = "shorthand_property_identifier_pattern"
_NAMES = ("identifier", "type_identifier", "shorthand_property_identifier", "property_identifier", _BOUND_NAME)
_CLASSES = ("class_definition", "class_declaration", "class")
_SELF = re.compile(rb"\b(?:self|cls|this)\s*\??\.\s*\Z")
_MEMBER = re.compile(rb"(?:(?<!\.)\.|::|->)\s*\Z")
_REACH = 80  # bytes before a name that tell whether it is a member

_BINDING = """
assignment.left for_statement.left for_in_clause.left named_expression.name function_definition.name
class_definition.name type_alias_statement.left parameters lambda_parameters as_pattern_target import_statement
import_from_statement future_import_statement case_pattern global_statement nonlocal_statement type_parameter
variable_declarator.name for_in_statement.left formal_parameters arrow_function.parameter catch_clause.parameter
function_declaration.name generator_function_declaration.name function_expression.name class_declaration.name
class.name interface_declaration.name type_alias_declaration.name enum_declaration.name required_parameter.pattern
pair_pattern.value labeled_statement.label
short_var_declaration.left range_clause.left var_spec.name const_spec.name parameter_declaration.name
variadic_parameter_declaration.name type_spec.name type_switch_statement.alias receive_statement.left
type_parameter_declaration.name keyed_element.key
let_declaration.pattern let_condition.pattern for_expression.pattern match_pattern closure_parameters
parameter.pattern function_item.name struct_item.name enum_item.name const_item.name static_item.name
type_item.name mod_item.name use_declaration lifetime label
local_variable_declaration.declarator enhanced_for_statement.name formal_parameter.name catch_formal_parameter.name
inferred_parameters lambda_expression.parameters method_declaration.name resource.name record_pattern type_pattern
declaration.declarator init_declarator.declarator parameter_declaration.declarator function_definition.declarator
optional_parameter_declaration.declarator for_range_loop.declarator struct_specifier.name enum_specifier.name
class_specifier.name enumerator.name type_definition.declarator structured_binding_declarator goto_statement
preproc_def.name preproc_function_def.name lambda_capture_specifier
keyword_argument.name element_value_pair.key
"""
_BINDS = frozenset(_BINDING.split())
"""Nodes that bind the names in them, or in one of their fields: in every grammar, for they do not disagree."""

# Where names are read though the node around binds others.
_READ_FIELDS = ("value", "type", "default_value", "right", "body", "argument", "size")
_READ_NODES = ("subscript", "subscript_expression", "index_expression", "call", "call_expression", "argument_list")
_TAGS = ("jsx_opening_element", "jsx_closing_element", "jsx_self_closing_element")
_OF_MEMBERS = ("attribute", "member_expression")


@dataclass(slots=True)
class _Names:
    """The names in `source[start:end]`: those read, those bound, and members read of the object itself."""

    source: bytes
    start: int
    end: int
    read: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    around_class: Node | None = None

    def collect(self, root: Node) -> None:
        """Take in every name that touches the range."""
        waiting = [(root, False)]
        while waiting:
            node, binds = waiting.pop()
            if node.end_byte <= self.start or node.start_byte >= self.end:
                continue
            if node.type in _CLASSES and node.start_byte < self.start and node.end_byte >= self.end:
                self.around_class = node
            if node.type in _NAMES:
                self._take(node, binds)
            for index, child in enumerate(node.children):
                waiting.append((child, _child_binds(node, node.field_name_for_child(index) or "", binds)))

    def _take(self, node: Node, binds: bool) -> None:
        name = self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")
        before = self.source[max(node.start_byte - _REACH, 0) : node.start_byte]
        if _SELF.search(before):
            (self.bound if binds else self.own).add(name)
        elif binds or node.type == _BOUND_NAME:
            self.bound.add(name)
        elif node.type != "property_identifier" and not _MEMBER.search(before) and not _is_html(node, name):
            self.read.add(name)

    def around(self, first: int, last: int) -> list[str]:
        """The text from byte `first` to byte `last` without the range."""
        parts = self.source[first : self.start], self.source[self.end : last]
        return [part.decode("utf-8", "replace") for part in parts]


def unknown_names(text: str, place: Place, seen: Sequence[str] = ()) -> float:
    """Counts the names that `text` reads and that nothing binds: not the text itself, the language or the document.

    A name counts as bound when it occurs anywhere else in the document or in the texts `seen`. An attribute of `self`
    or `this` that occurs nowhere else in its class counts as half a name. 0 where there is no syntax tree.
    """
    builtin = BUILTIN_NAMES.get(place.language)
    tree = parse_with(text, place) if builtin is not None else None
    if builtin is None or tree is None:
        return 0.0
    old, hole = place.snapshot.utf8, place.hole
    head, tail = old[: place.snapshot.byte_at(hole.start)], old[place.snapshot.byte_at(hole.end) :]
    typed, middle = (part.encode("utf-8", "replace") for part in (place.typed, text))
    start = len(head) + len(typed)
    names = _Names(head + typed + middle + tail, start, start + len(middle))
    names.collect(tree.root_node)
    document = [*names.around(0, len(names.source)), *seen]
    outer = names.around_class
    in_class = names.around(outer.start_byte, outer.end_byte) if outer else document
    free = [name for name in names.read - names.bound - builtin if not _occurs(name, document)]
    missing = [name for name in names.own - names.bound if not _occurs(name, in_class)]
    return len(free) + len(missing) / 2


def _is_html(node: Node, name: str) -> bool:
    """Returns True for a tag such as `div`; a component begins with a capital."""
    return name.islower() and node.parent is not None and node.parent.type in _TAGS


def _child_binds(parent: Node, field_name: str, parent_binds: bool) -> bool:
    """Returns True when names in a child are bound there rather than read."""
    if parent.type in _BINDS or f"{parent.type}.{field_name}" in _BINDS:
        return field_name not in _READ_FIELDS or f"{parent.type}.{field_name}" in _BINDS
    if parent.type in _OF_MEMBERS:
        return parent_binds and field_name in ("attribute", "property")
    return parent_binds and field_name not in _READ_FIELDS and parent.type not in _READ_NODES


def _occurs(name: str, texts: Sequence[str]) -> bool:
    word = re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])")
    return any(word.search(text) for text in texts)
