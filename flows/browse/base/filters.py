"""Filters of images, as an address says them: bound as values of SQL, never written into it."""

import shlex
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import Query

from sortal.configs.errors import UsageError
from sortal.flows.browse.base.asked import AskedRun
from sortal.flows.operations.export.selection import COLUMNS
from sortal.storage.lake.sql import literal, sql
from sortal.tasks.clustering.assignments import NO_KIND

_FILES = f"({sql('browse/search/files')})"
KEYS = f"SELECT DISTINCT key FROM {_FILES} WHERE key IS NOT NULL"
COUNT = f"SELECT count(*) AS files FROM {_FILES}"
EXPORT = (
    f"SELECT {', '.join(COLUMNS)} FROM ({sql('export/rows')}) AS export "
    f"SEMI JOIN {_FILES} AS file "
    "ON file.key = export.key AND file.path IS NOT DISTINCT FROM export.path"
)
PAGE = f"FROM {_FILES} ORDER BY path, key LIMIT $count OFFSET $skipped"


@dataclass(frozen=True)
class Filters:
    """What images must be; an empty one asks nothing. `kind` is a stable id, dates are included."""

    kind: str = ""
    label: str = ""
    split: str = ""
    status: str = ""
    folder: str = ""
    since: Annotated[str, Query(alias="from")] = ""
    until: Annotated[str, Query(alias="to")] = ""

    def __bool__(self) -> bool:
        return any(self.query.values())

    @property
    def query(self) -> dict[str, str]:
        """The part of an address that says them."""
        said = {"kind": self.kind, "label": self.label, "split": self.split}
        said |= {"status": self.status, "folder": self.folder}
        return said | {"from": self.since, "to": self.until}

    def bound(self, run: AskedRun) -> dict[str, Any]:
        """Values for `browse/search/files.sql`; raises UsageError for what is none."""
        if any("\0" in text for text in self.query.values()):
            raise UsageError("a filter must be text")
        since, until = _day("from", self.since), _day("to", self.until)
        folder = f"{self.folder.rstrip('/')}/" if self.folder.strip("/") else None
        return {
            "run": run.run_id,
            "cluster": run.card(_number(self.kind))["cluster"] if self.kind else None,
            "label": self.label or None,
            "split": self.split or None,
            "status": self.status or None,
            "folder": folder,
            "since": since,
            "until": until,
        }

    def command(self, run: AskedRun) -> str:
        """The `sortal export` that places these images in folders, as a shell reads it."""
        parts = ["sortal", "export", run.run_id]
        parts += ["--kind", self.kind] if self.kind else []
        where = self._where()
        parts += ["--where", where] if where else []
        parts += ["--to", "FOLDER", "--workspace", str(run.library.workspace.root)]
        return shlex.join(parts)

    def _where(self) -> str:
        said = [f"{name} = {literal(value)}" for name, value in self.query.items()
                if value and name in ("label", "split")]  # fmt: skip
        if self.folder.strip("/"):
            said.append(f"starts_with(path, {literal(self.folder.rstrip('/') + '/')})")
        if self.since:
            said.append(f"taken_at >= DATE {literal(self.since)}")
        if self.until:
            said.append(f"taken_at < DATE {literal(self.until)} + INTERVAL 1 DAY")
        return " AND ".join(said)


def _number(text: str) -> int:
    if text != str(NO_KIND) and (not text.isdecimal() or len(text) > 18):
        raise UsageError(f"kind must be a kind's id, got {text[:40]!r}")
    return int(text)


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"{name} must be a day such as 2026-07-31, got {text[:40]!r}") from error
