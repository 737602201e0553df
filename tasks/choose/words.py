"""What was chosen, and by how much, in words: of the rows of storage/sql/report/candidates.sql."""

from collections.abc import Mapping, Sequence
from typing import Any

from sortal.tasks.choose.candidates import EVENED, IMAGE, NOUNS

Row = Mapping[str, Any]


def lead_of(tried: Sequence[Row]) -> str | None:
    """How the candidate taken compares with its best rival, in words; None without any.

    By what the decision was made by (`decide.py`): where texts are trusted the product of both
    figures, else predictability, and of other kinds then only what is not evened.
    """
    chosen = next((row for row in tried if row["chosen"]), None)
    if chosen is None:
        return None
    trusted = chosen.get("texts") == "trusted"
    figure = "score" if trusted else "predictability"
    rivals = [row for row in tried if row is not chosen and row[figure] is not None]
    if not trusted:
        rivals = [row for row in rivals if _is_plain(row) or _kind(row) == _kind(chosen)]
    if chosen[figure] is None or not rivals:
        return None
    rival = max(rivals, key=lambda row: row[figure])
    how = _compared(rival, chosen, figure)
    what = "seeds agree, times how well " if trusted else ""
    return (
        f"{'how far ' if trusted else 'how well '}{what}held-out images are foretold: "
        f"{chosen[figure]:.3f}; by {rival['words']}, {rival[figure]:.3f}, {how}"
    )


def _compared(rival: Row, chosen: Row, figure: str) -> str:
    if rival[figure] <= chosen[figure]:
        return "less"
    if chosen["kept"] or (figure == "score" and _kind(rival).startswith(NOUNS)):
        return "not clearly more"
    if figure == "score":
        return "not more by enough to take it before nouns alone"
    if _kind(rival) == _kind(chosen):
        return "more, but its seeds agree less"
    if not _is_plain(chosen):
        return "less than this before directions are evened"
    return "not more than chance explains"


def _is_plain(row: Row) -> bool:
    return not row["candidate"].endswith(EVENED)


def _kind(row: Row) -> str:
    kind = str(row["candidate"]).removesuffix(EVENED)
    return IMAGE if kind.startswith(f"{IMAGE},") else kind
