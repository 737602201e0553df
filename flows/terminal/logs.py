"""Log lines on stderr: ours, and Prefect's only when something is wrong with it."""

import logging
import os
import sys
import warnings

from rich.console import Console
from rich.logging import RichHandler

from sortal.tasks.progress import in_notebook


def quiet_prefect() -> None:
    """Have Prefect log only when something is wrong with it; call before it is imported."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")


def log_to_terminal(level: int) -> None:
    """Our own log lines on stderr, unwrapped where nobody looks at a terminal.

    A flow's failure is printed once, by the command line.
    """
    logger = logging.getLogger("sortal")
    logger.setLevel(level)
    logger.handlers = [_terminal() if sys.stderr.isatty() else _lines()]
    logger.propagate = False
    leave_failures_to_the_caller()


def log_for_python() -> None:
    """Log lines for a caller in Python who has set up no logging: progress, and what is wrong.

    A notebook has progress in its cells, and lines only of what is wrong.
    """
    if in_notebook():  # tqdm asks for ipywidgets, which our progress does without
        warnings.filterwarnings("ignore", message="IProgress not found")
    if logging.getLogger("sortal").hasHandlers():
        leave_failures_to_the_caller()
    else:
        log_to_terminal(logging.WARNING if in_notebook() else logging.INFO)


def leave_failures_to_the_caller() -> None:
    """Have Prefect not print the failure of a flow that its caller prints; after its import."""
    for name in ("prefect.flow_runs", "prefect.task_runs", "prefect.flow_engine"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _terminal() -> logging.Handler:
    return RichHandler(console=Console(stderr=True), show_path=False)


def _lines() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
