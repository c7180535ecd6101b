"""What the features of one editor session share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lsprotocol import types

from dg_lsp.client.launcher import Launcher
from dg_lsp.completion.acceptance import Acceptance, Outcome
from dg_lsp.completion.last_fill import LastFills
from dg_lsp.completion.snooze import Snooze
from dg_lsp.completion.suggestions import Suggestions
from dg_lsp.completion.unwanted import turned_off, unwanted
from dg_lsp.context.exclusions import Exclusions
from dg_lsp.context.related import Related
from dg_lsp.context.window import cells_above
from dg_lsp.documents import DocumentStore, Snapshot
from dg_lsp.features.status import Status
from dg_lsp.positions import Encoding
from dg_lsp.settings import Settings
from dg_lsp.statistics import Statistics

KATE = "Kate"
_KATES_KINDS = ["quickfix", "refactor", "source"]


def editor_name(params: types.InitializeParams) -> str:
    """What the editor calls itself. Kate tells no name: it is known by the kinds of code actions that it tells."""
    if params.client_info:
        return params.client_info.name
    text_document = params.capabilities.text_document
    actions = text_document.code_action if text_document else None
    literals = actions.code_action_literal_support if actions else None
    return KATE if literals and list(literals.code_action_kind.value_set) == _KATES_KINDS else ""


@dataclass(slots=True, kw_only=True)
class Session:
    """One editor and this process. From `encoding` to `folders` (of the workspace) it is known from `initialize` on."""

    documents: DocumentStore = field(default_factory=DocumentStore)
    last_fills: LastFills = field(default_factory=LastFills)
    snooze: Snooze = field(default_factory=Snooze)
    settings: Settings = field(default_factory=Settings)
    launcher: Launcher
    status: Status
    encoding: Encoding = "utf-16"
    capabilities: types.ClientCapabilities = field(default_factory=types.ClientCapabilities)
    folders: Callable[[], Sequence[Path]] = list
    statistics: Statistics = field(default_factory=Statistics)
    acceptance: Acceptance = field(init=False)
    exclusions: Exclusions = field(init=False)
    related: Related = field(init=False)
    suggestions: Suggestions = field(init=False)

    @property
    def editor(self) -> str:
        """The editor's name, empty where it tells none."""
        return self.status.editor

    @property
    def in_kate(self) -> bool:
        """Whether the editor is Kate, some habits of which have to be met."""
        return self.editor == KATE

    def __post_init__(self) -> None:
        self.acceptance = Acceptance(self._count)
        self.exclusions = Exclusions(lambda: self.folders(), lambda: self.settings.exclude)
        self.related = Related(self.documents, self.exclusions)
        self.suggestions = Suggestions(self.status)

    def cells_above(self, snapshot: Snapshot) -> str:
        """What stands above a document in its notebook, as the model sees it; "" for what is no cell."""
        return cells_above(self.documents.cells_before(snapshot.uri), snapshot.language_id)

    def turned_off(self, snapshot: Snapshot) -> str | None:
        """Why no automatic request in a document is answered now; None when they are."""
        return self.snooze.reason or turned_off(self.settings.inline, snapshot.language_id)

    def unwanted(self, snapshot: Snapshot, offset: int) -> str | None:
        """Why an automatic request at an offset is answered with nothing; None when it is wanted."""
        return self.snooze.reason or unwanted(self.settings.inline, snapshot, offset)

    @property
    def snoozed_until(self) -> str | None:
        """When the snooze ends, as editors are told: with date and time zone; None without one."""
        until = self.snooze.until
        return until.isoformat(timespec="seconds") if until else None

    def _count(self, outcome: Outcome) -> None:
        if self.settings.statistics:
            self.statistics.add(outcome)
