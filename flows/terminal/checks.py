"""What `sortal doctor` and `sortal verify` print: a line a check or problem, and what to do."""

import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sortal.configs.errors import counted
from sortal.flows.operations import doctor
from sortal.flows.operations import verify as operations
from sortal.flows.operations.verify import Problem, Verification
from sortal.tasks.shown import shown

_NEXT = "run the same `sortal cluster` again: only what was removed is made again"


def examine(workspace: Path) -> bool:
    """Print one line a check; True when nothing needs fixing."""
    console = Console()
    healthy = True
    for check in doctor.examine(workspace):
        healthy &= check.good
        mark = "[green]ok  [/]" if check.good else "[red]FIX [/]"
        text = escape(shown(f"{check.name}: {check.text}"))
        console.print(f"{mark} {text}", soft_wrap=True, highlight=False)
    return healthy


def verify(root: Path, repair: bool) -> bool:
    """Print one line a problem; with `repair`, repair what is possible. Whether all ends well."""
    result = operations.verify(root, repair, _show)
    if result.rows_skipped:
        print("the lake's rows are not compared while files of it are damaged", file=sys.stderr)
    print(_summary(result))
    return result.remaining == 0


def _show(problem: Problem) -> None:
    finding, done = problem
    print(shown(f"{done}: {finding.place}: {finding.what}"))


def _summary(result: Verification) -> str:
    counts = f"{result.repaired:,} repaired, {result.remaining:,} not"
    checked = f"{counted(result.checked, 'thing')} checked"
    if not result.repaired and not result.remaining:
        return f"{checked}, all sound"
    head = f"{checked}, {counts}"
    if result.repairable and not result.repair:
        return f"{head}; repair them with --repair"
    return f"{head}; {_NEXT}" if result.needs_run else head
