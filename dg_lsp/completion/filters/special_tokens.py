"""Tokens of the model, Markdown fences and chat phrases that leaked into the text (U20)."""

from __future__ import annotations

import re

from dg_lsp.completion.filters.place import Place

_TOKEN = re.compile(
    r"<\|[^|<>\n]{0,40}\|>|<\|(?:turn|channel|think)\b|<(?:turn|channel)\|>"
    r"|\[/?INST\]|<unused\d+>|</?(?:end_of_turn|start_of_turn|endoftext|file_sep)>"
    r"|<\|?fim[_-][a-z]+\|?>|<(?:PRE|SUF|MID|EOT|FILL|CURSOR)>"
)
# These may be names of types or tags: not in markup, behind a name and before more code they are no leak.
_BARE = r"</?(?:s|eos|bos|pad|mask|unk|eot|eom|sep|cls)>"
_LIKE_A_NAME = re.compile(rf"(?<!\w){_BARE}|{_BARE}(?=(?:{_BARE}|[ \t])*(?:\n|$))")
_MARKUP = ("html", "xml", "vue", "svelte", "javascriptreact", "typescriptreact")
_FENCE = re.compile(r"^[ \t]*```[\w+-]*[ \t]*$", re.MULTILINE)
_CHAT = re.compile(
    r"\s*(?:Sure|Certainly|Of course|Here(?:'s| is| are)|Here you go|I'm sorry|Sorry|As an AI|I cannot|I can't)\b"
    r"(?:[^\n]*[:!.,])[ \t]*(?:\n|$)"
)


def special_tokens(text: str, place: Place) -> str:
    """The text up to the first special token, out of its fence, and without the words of an assistant.

    What the document itself holds near the hole (a tokenizer's tests, Markdown in a comment) is no leak.
    """
    near = place.prefix[-4000:] + place.suffix[:4000]
    for tokens in (_TOKEN,) if place.language in _MARKUP else (_TOKEN, _LIKE_A_NAME):
        if leak := next((leak for leak in tokens.finditer(text) if leak.group() not in near), None):
            text = text[: leak.start()]
    if not place.in_words and (chat := _CHAT.match(text)):
        if "\n" not in text or not place.at_line_start:
            return ""
        text = text[chat.end() :]
    if "```" not in near and (fence := _FENCE.search(text)):
        inside = text[fence.end() + 1 :] if not text[: fence.start()].strip() else text[: fence.start()]
        closing = _FENCE.search(inside)
        text = inside[: closing.start()] if closing else inside
        return text.removesuffix("\n")
    return text
