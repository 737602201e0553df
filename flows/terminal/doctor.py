"""What `sortal doctor` prints."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sortal.flows.operations import doctor
from sortal.tasks.shown import shown


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
