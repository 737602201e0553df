"""How long a grid of unequal cells still takes, shown while it runs."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean

from sortal.tasks.shown import shown

log = logging.getLogger("sortal")

Kind = tuple[str, str]  # collection and method


class TimeLeft:
    """Estimates what is left of cells `kinds` (cell -> kind) when `jobs` of them run at once.

    `past` are seconds that cells of a kind took in earlier runs.
    """

    def __init__(self, kinds: Mapping[str, Kind], past: Mapping[Kind, float], jobs: int) -> None:
        self._left = dict(kinds)
        self._past = past
        self._jobs = jobs
        self._seen: dict[Kind, list[float]] = {}

    def done(self, cell: str, seconds: float) -> None:
        """Count a cell as finished."""
        self._seen.setdefault(self._left.pop(cell), []).append(seconds)

    def seconds(self) -> float | None:
        """Seconds until all are done; None while nothing is known."""
        parts = [self._expected(kind) for kind in self._left.values()]
        known = [part for part in parts if part is not None]
        if parts and not known:
            return None
        return (sum(known) + fmean(known or [0.0]) * (len(parts) - len(known))) / self._jobs

    def text(self) -> str:
        """The same for people: `about 12 min left`."""
        seconds = self.seconds()
        if seconds is None:
            return "time left unknown"
        minutes = seconds / 60
        return f"about {minutes:.0f} min left" if minutes >= 2 else f"about {seconds:.0f} s left"

    def _expected(self, kind: Kind) -> float | None:
        """Mean of the kind, now or before; else of its method; else of its collection."""
        if kind in self._seen:
            return fmean(self._seen[kind])
        if kind in self._past:
            return self._past[kind]
        for place in (1, 0):
            same = [x for other, times in self._seen.items() if other[place] == kind[place]
                    for x in times]  # fmt: skip
            if same:
                return fmean(same)
        return None


@contextmanager
def watching(total: int) -> Iterator[Callable[[str, str], None]]:
    """Yield `tell(what, left)`, to be called after each cell: a bar, or a line in the log each."""
    done = 0
    if not sys.stderr.isatty():

        def say(what: str, left: str) -> None:
            nonlocal done
            done += 1
            log.info("%d of %d cells, %s; %s", done, total, left, what)

        yield say
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "{task.description}")
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("cells", total=total)

        def show(what: str, left: str) -> None:
            bar.update(task, advance=1, description=escape(shown(f"{left}; {what}")))
            if "failed:" in what:
                bar.console.print(shown(what), markup=False)

        yield show
