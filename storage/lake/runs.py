"""Which run is meant: one of an id, or the newest, by which all commands go."""

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.sql import sql


def run_of(lake: Lake, text: str) -> str:
    """The id of the run that `text` is, or is the beginning of; UsageError for none or several."""
    query = "SELECT run_id FROM runs WHERE starts_with(run_id, $text) ORDER BY run_id"
    found = [run_id for (run_id,) in lake.execute(query, {"text": text}).fetchall()]
    if text in found or len(found) == 1:
        return text if text in found else str(found[0])
    if not found or not text:
        raise UsageError(f"no run {text!r} in the lake; `sortal runs` lists them")
    several = f"{', '.join(found[:5])}{', ...' if len(found) > 5 else ''}"
    raise UsageError(f"a run's id or its beginning must name one run, got {text!r}: {several}")


def newest_run(lake: Lake, run: str | None = None, collection: str | None = None) -> RunRow:
    """The row of the run that finished last (of a collection, where one is given).

    Of two that finished at the same time, the one with the greater run id. With `run`, the run of
    that id. Raises UsageError where there is none; users' SQL has the view `newest_run`.
    """
    rows = lake.query(sql("runs/newest"), {"run": run, "collection": collection}).to_pylist()
    if not rows:
        wanted = f"run {run!r}" if run is not None else "run"
        of = f" of collection {collection!r}" if collection is not None else ""
        rule = run is not None or collection is not None
        way_out = "`sortal runs` lists them" if rule else "make one: `sortal cluster`"
        raise UsageError(f"no {wanted}{of} in the lake; {way_out}")
    row: RunRow = rows[0]
    return row
