"""Which grammar and which query belong to a language; each is imported when first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module, resources

from tree_sitter import Language, Query

# language identifier: (module, function that hands out the grammar, name of its query file)
_GRAMMARS = {
    "python": ("tree_sitter_python", "language", "python"),
    "javascript": ("tree_sitter_javascript", "language", "javascript"),
    "javascriptreact": ("tree_sitter_javascript", "language", "javascript"),
    "typescript": ("tree_sitter_typescript", "language_typescript", "typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx", "typescript"),
    "rust": ("tree_sitter_rust", "language", "rust"),
    "go": ("tree_sitter_go", "language", "go"),
    "c": ("tree_sitter_c", "language", "c"),
    "cpp": ("tree_sitter_cpp", "language", "cpp"),
    "java": ("tree_sitter_java", "language", "java"),
}


@cache
def grammar(language_id: str) -> Language | None:
    """The grammar of a language; None for one that has none here."""
    entry = _GRAMMARS.get(language_id)
    if entry is None:
        return None
    module, function, _ = entry
    return Language(getattr(import_module(module), function)())


@cache
def functions_query(language_id: str) -> Query | None:
    """The query that captures `function`, `name` and `body` in a language; None without a grammar."""
    language = grammar(language_id)
    if language is None:
        return None
    name = _GRAMMARS[language_id][2]
    source = resources.files("dg_lsp.syntax") / "queries" / f"{name}.scm"
    query: Query = Query(language, source.read_text(encoding="utf-8"))
    return query
