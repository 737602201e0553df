"""What was chosen, and by how much, in words, from the rows of the view `candidates`."""

from collections.abc import Mapping, Sequence
from typing import Any

_EVENED = "-evened"  # ends the name of a candidate whose directions are evened

Row = Mapping[str, Any]


def lead_of(tried: Sequence[Row]) -> tuple[Row, str] | None:
    """The rival of the candidate taken, and in words how it compares; None where there is none.

    Rivals are the others of its kind, and of other kinds those that are not evened, since kinds are
    told apart by these alone (`decide.py`).
    """
    chosen = next((row for row in tried if row["chosen"]), None)
    if chosen is None or chosen["predictability"] is None:
        return None
    rivals = [row for row in tried if row is not chosen and _competes(row, chosen)]
    if not rivals:
        return None
    rival = max(rivals, key=lambda row: row["predictability"])
    return rival, _compared(rival, chosen)


def _compared(rival: Row, chosen: Row) -> str:
    if rival["predictability"] <= chosen["predictability"]:
        return "less well"
    if chosen["kept"]:
        return "not clearly better"
    if _kind(rival) == _kind(chosen):
        return "better, but its seeds agree less"
    if chosen["candidate"].endswith(_EVENED):
        return "less well than this before directions are evened"
    return "not better by more than chance explains"


def _competes(row: Row, chosen: Row) -> bool:
    plain = not row["candidate"].endswith(_EVENED)
    return row["predictability"] is not None and (plain or _kind(row) == _kind(chosen))


def _kind(row: Row) -> str:
    return str(row["candidate"]).removesuffix(_EVENED)
