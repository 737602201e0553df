"""What every page is given: the library, and the run that its address names."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from starlette.requests import Request

from sortal.configs.errors import UsageError
from sortal.flows.browse.base.library import Library
from sortal.flows.operations.find import Hit, Shelf


@dataclass
class AskedRun:
    """The run of an address `/run/{run}/…`; `row` is its row of `runs`, `config` parsed."""

    library: Library
    run_id: str

    @cached_property
    def row(self) -> dict[str, Any]:
        """Its row of `runs`."""
        row = self.library.rows("report/run", run=self.run_id)[0]
        return {**row, "config": json.loads(row["config"] or "{}")}

    @property
    def kinds(self) -> list[dict[str, Any]]:
        """Its kinds, the largest first."""
        return self.rows("kinds")

    @cached_property
    def cards(self) -> list[dict[str, Any]]:
        """Its kinds, each with the label that most of its images have."""
        labels = {
            row["cluster"]: row for row in self.library.lasting("browse/labels", run=self.run_id)
        }
        nothing = {"label": None, "label_share": None}
        return [card | labels.get(card["cluster"], nothing) for card in self.kinds]

    def card(self, kind: int) -> dict[str, Any]:
        """The kind of a stable id; raises UsageError where the run has none."""
        found = next((card for card in self.kinds if card["cluster_id"] == kind), None)
        if found is None:
            raise UsageError(f"run {self.run_id} has no kind {kind}")
        return found

    def shown(self, hits: Sequence[Hit]) -> list[dict[str, Any]]:
        """What a list shows of images that were found: key, score, path, label, kind."""
        return self.library.shown(self.run_id).rows(hits, self.kinds)

    @property
    def shelf(self) -> Shelf:
        """The run, open for looking."""
        return self.library.shelf(self.run_id)

    @property
    def tree(self) -> list[dict[str, Any]]:
        """The rows of its tree of kinds, the coarsest first; none without one."""
        return self.library.rows("report/tree", run=self.run_id)

    def rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """The rows that `storage/sql/browse/<name>.sql` finds of this run."""
        return self.library.rows(f"browse/{name}", run=self.run_id, **values)


def _library(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


def _run(library: Annotated[Library, Depends(_library)], run: Annotated[str, Path()]) -> AskedRun:
    return AskedRun(library, library.run_id(run))


After = Annotated[int, Query(ge=0, le=10**9)]  # how many of a list are on the pages before
LibraryOf = Annotated[Library, Depends(_library)]
RunOf = Annotated[AskedRun, Depends(_run)]
