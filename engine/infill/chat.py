"""A fill as a chat: the user shows how the file ends, the model's open answer is the file from its beginning.

Typing appends to the prefix, so the suffix comes first. The user's turn is a full sentence: terse orders make
DiffusionGemma answer nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.infill.tokens import FENCE, Tokens
from engine.protocol import FillRequest

_SUFFIX_CHARACTERS = 2000  # of the suffix, shown to the model
_FORMS = (  # what begins a turn, what ends it, what the model is called
    ("<|turn>", "<turn|>", "model"),  # Gemma 4
    ("<|im_start|>", "<|im_end|>", "assistant"),  # ChatML: Qwen and others
)


@dataclass(frozen=True, slots=True)
class ChatForm:
    """The ids that begin and end a turn, and the model's role."""

    start: int
    end: int
    role: str

    @classmethod
    def of_tokenizer(cls, tokens: Tokens) -> ChatForm | None:
        """Returns the form whose tokens a tokenizer has; None when it has none."""
        for start, end, role in _FORMS:
            first, last = tokens.id_of(start), tokens.id_of(end)
            if first is not None and last is not None:
                return cls(first, last, role)
        return None

    def opening(self, request: FillRequest, tokens: Tokens, suffix: str) -> list[int]:
        """The ids before the prefix: the user's turn, and the beginning of the model's."""
        related = "".join(f"From {s.path}:\n{s.text}\n\n" for s in request.related)
        ask = (
            f"user\n{related}This is the end of the file {request.path or 'I am editing'}:\n"
            f"{suffix[:_SUFFIX_CHARACTERS]}\n\n"
            "Please write the whole file from its beginning, so that it continues into that end."
        )
        answer = f"{self.role}\nHere is the file.\n{FENCE}{request.language}\n"
        newline = tokens.encode("\n")
        return [self.start, *tokens.encode(ask), self.end, *newline, self.start, *tokens.encode(answer)]
