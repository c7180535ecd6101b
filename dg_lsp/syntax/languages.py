"""Which grammar and which query belong to a language; each is imported when first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module, resources

from tree_sitter import Language, Query

# language identifier: (module, function that hands out the grammar, names of its query files)
_GRAMMARS = {
    "python": ("tree_sitter_python", "language", ("python",)),
    "javascript": ("tree_sitter_javascript", "language", ("ecmascript", "javascript")),
    "javascriptreact": ("tree_sitter_javascript", "language", ("ecmascript", "javascript")),
    "typescript": ("tree_sitter_typescript", "language_typescript", ("ecmascript", "typescript")),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx", ("ecmascript", "typescript")),
    "rust": ("tree_sitter_rust", "language", ("rust",)),
    "go": ("tree_sitter_go", "language", ("go",)),
    "c": ("tree_sitter_c", "language", ("c",)),
    "cpp": ("tree_sitter_cpp", "language", ("cpp",)),
    "java": ("tree_sitter_java", "language", ("java",)),
}

PROSE = ("markdown", "plaintext", "restructuredtext", "asciidoc", "latex", "tex", "org", "git-commit", "html")
"""Languages of documents that are words for people rather than code."""

LANGUAGES = tuple(_GRAMMARS)
"""The identifiers of the languages that have a grammar here."""

_NAMES = {
    "javascript": "JavaScript",
    "javascriptreact": "JavaScript (JSX)",
    "typescript": "TypeScript",
    "typescriptreact": "TypeScript (TSX)",
    "cpp": "C++",
    "csharp": "C#",
    "php": "PHP",
    "html": "HTML",
    "css": "CSS",
    "json": "JSON",
    "yaml": "YAML",
    "toml": "TOML",
    "sql": "SQL",
    "plaintext": "plain text",
    "shellscript": "shell script",
}


def language_name(language_id: str) -> str:
    """Returns what people call a language: its identifier with a capital where nothing better is known."""
    return _NAMES.get(language_id) or language_id[:1].upper() + language_id[1:]


@cache
def grammar(language_id: str) -> Language | None:
    """The grammar of a language; None for one that has none here."""
    entry = _GRAMMARS.get(language_id)
    if entry is None:
        return None
    module, function, _ = entry
    return Language(getattr(import_module(module), function)())


@cache
def query(language_id: str) -> Query | None:
    """The query that finds the places of a language that can be filled; None without a grammar.

    It captures `function` with `name` and `body`; `on_purpose`, a function that is empty because it should be;
    `arm`, one case of a switch or match; `condition`, `arguments` and `comment`.
    """
    language = grammar(language_id)
    if language is None:
        return None
    folder = resources.files("dg_lsp.syntax") / "queries"
    names = _GRAMMARS[language_id][2]
    found: Query = Query(language, "\n".join((folder / f"{name}.scm").read_text(encoding="utf-8") for name in names))
    return found
