"""What every page is given: the library, and the run that its address names."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import Request

from sortal.flows.browse.base.library import Library
from sortal.flows.operations.find import Shelf
from sortal.tasks.report.gather import run_row


@dataclass
class AskedRun:
    """The run of an address `/run/{run}/…`; `row` is its row of `runs`, `config` parsed."""

    library: Library
    run_id: str

    @cached_property
    def row(self) -> dict[str, Any]:
        """Its row of `runs`."""
        with self.library.lake() as lake:
            return run_row(lake, self.run_id)

    @property
    def shelf(self) -> Shelf:
        """The run, open for looking."""
        return self.library.shelf(self.run_id)

    def rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """The rows that `storage/sql/browse/<name>.sql` finds of this run."""
        return self.library.rows(f"browse/{name}", run=self.run_id, **values)


def _library(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


def _run(library: Annotated[Library, Depends(_library)], run: Annotated[str, Path()]) -> AskedRun:
    return AskedRun(library, library.run_id(run))


LibraryOf = Annotated[Library, Depends(_library)]
RunOf = Annotated[AskedRun, Depends(_run)]
