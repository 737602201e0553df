"""What `sortal doctor` prints."""

from pathlib import Path

from rich.console import Console

from sortal.flows.operations import doctor


def examine(workspace: Path) -> bool:
    """Print one line a check; True when nothing needs fixing."""
    console = Console()
    healthy = True
    for check in doctor.examine(workspace):
        healthy &= check.good
        mark = "[green]ok  [/]" if check.good else "[red]FIX [/]"
        console.print(f"{mark} {check.name}: {check.text}", soft_wrap=True, highlight=False)
    return healthy
