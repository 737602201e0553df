"""What changed since the run before: the numbers, and the line that every run ends with."""

from datetime import datetime

from pydantic import BaseModel

from sortal.storage.lake.compare import CHANGES, count_changes
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.runs import newest_run
from sortal.storage.lake.sql import sql

_WORDS = {  # in the order of the line
    "new": "+{:,} new",
    "gone": "-{:,} gone",
    "renamed": "{:,} renamed",
    "copied": "{:,} copied",
    "edited": "{:,} edited",
    "unreadable": "{:,} unreadable",
    "repaired": "{:,} repaired",
    "moved": "{:,} moved to another kind",
}


class Changed(BaseModel):
    """Files since the run `previous`, by what became of them; None: there was no run before.

    `counts` has each of CHANGES. Kinds are compared (`by_kind`) with a run that this one follows,
    not with one of another method or seed. `is_new` is False where the run was there already.
    """

    run_id: str
    previous: str | None
    counts: dict[str, int]
    by_kind: bool = True
    is_new: bool = True

    @property
    def line(self) -> str:
        """The line for people, such as "+30 new, -10 gone, 5 renamed, since run ..."."""
        said = [text.format(n) for name, text in _WORDS.items() if (n := self.counts[name])]
        if not self.is_new:
            return f"nothing changed: this is run {self.run_id} again"
        if self.previous is None:
            return f"{', '.join(said)}: the collection's first run"
        than = "" if self.by_kind else ", whose kinds are others"
        return f"{', '.join(said) or 'no file changed'}, since run {self.previous}{than}"


def what_changed(lake: Lake, run_id: str, since: datetime) -> Changed:
    """What changed between a run and the one it was compared with; raises UsageError without it.

    A run that was there before `since` (with a timezone) is not new.
    """
    row = newest_run(lake, run_id)
    is_new = row["started_at"] >= since.replace(tzinfo=None)
    found = lake.execute(sql("compare/before"), {"run": run_id}).fetchone()
    previous, by_kind = found or (None, False)
    counts = count_changes(lake, previous, run_id, by_kind) if previous else _first(row)
    return Changed(run_id=run_id, previous=previous, counts=counts, by_kind=by_kind, is_new=is_new)


def _first(row: RunRow) -> dict[str, int]:
    """The counts of a run that nothing came before."""
    return dict.fromkeys(CHANGES, 0) | {"new": row["n_images"], "unreadable": row["n_failed"]}
