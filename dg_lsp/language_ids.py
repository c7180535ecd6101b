"""Which language a document is in, as an LSP identifier: by what its editor calls it, and by its name."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = {
    "python": (".py", ".pyi", ".pyw"),
    "javascript": (".js", ".mjs", ".cjs"),
    "javascriptreact": (".jsx",),
    "typescript": (".ts", ".mts", ".cts"),
    "typescriptreact": (".tsx",),
    "rust": (".rs",),
    "go": (".go",),
    "c": (".c",),
    # C++ reads nearly every C header, C reads few C++ headers.
    "cpp": (".cpp", ".cc", ".cxx", ".h", ".hpp", ".hh", ".hxx"),
    "java": (".java",),
}
_BY_SUFFIX = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes}

_ALIASES = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "jsx": "javascriptreact",
    "ts": "typescript",
    "tsx": "typescriptreact",
    "rs": "rust",
    "golang": "go",
    "c++": "cpp",
    "cxx": "cpp",
}

_OTHERS = """
abap asciidoc bat bibtex clojure coffeescript csharp css cuda-cpp d dart delphi diff dockerfile elixir erlang fsharp
git-commit git-rebase groovy handlebars haskell html ini json jsonc julia kotlin latex less lua makefile markdown
objective-c objective-cpp org pascal perl perl6 php powershell pug r razor restructuredtext ruby sass scala scss
shaderlab shellscript sql svelte swift tex toml vb vue xml xsl yaml zig
"""
"""Identifiers of languages without a grammar here: an editor that names one means it, whatever the file is called."""


def language_of(name: str | Path) -> str:
    """The identifier for a file name; "plaintext" when it is none of the known ones."""
    return _BY_SUFFIX.get(Path(name).suffix.lower(), "plaintext")


def language_for(given: str, name: str = "") -> str:
    """The identifier for what an editor calls the language of a document and for the document's name.

    What is an identifier, in any case of letters, holds. Else the name's suffix tells, and then what is an alias.
    """
    known = given.strip().lower()
    if known in _SUFFIXES or known in _OTHERS.split():
        return known
    by_name = language_of(name)
    return by_name if by_name != "plaintext" else _ALIASES.get(known, given.strip() or by_name)
