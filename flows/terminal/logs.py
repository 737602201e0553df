"""Log lines on stderr and in Prefect's log: ours, and its own only when something is wrong."""

import logging
import os
import sys
import warnings

from rich.console import Console
from rich.logging import RichHandler

from sortal.tasks.progress import in_notebook
from sortal.tasks.published_progress import has_pages


def quiet_prefect() -> None:
    """Have Prefect log only when something is wrong with it; call before it is imported."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")


def log_to_terminal(level: int) -> None:
    """Our own log lines on stderr, unwrapped where nobody looks at a terminal.

    Prefect's server has all of them from INFO on. A flow's failure is printed once, by the command
    line.
    """
    logger = logging.getLogger("sortal")
    logger.setLevel(min(level, logging.INFO))
    shown = _terminal() if sys.stderr.isatty() else _lines()
    shown.setLevel(level)
    logger.handlers = [shown]
    logger.propagate = False
    log_to_prefect()
    leave_failures_to_the_caller()


def log_for_python() -> None:
    """Log lines for a caller in Python who has set up no logging: progress, and what is wrong.

    A notebook has progress in its cells, and lines only of what is wrong.
    """
    if in_notebook():  # tqdm asks for ipywidgets, which our progress does without
        warnings.filterwarnings("ignore", message="IProgress not found")
    if _is_set_up():
        log_to_prefect()
        leave_failures_to_the_caller()
    else:
        log_to_terminal(logging.WARNING if in_notebook() else logging.INFO)


def log_to_prefect() -> None:
    """Send our lines to the server that stays, where there is one; after Prefect's import.

    That logger may have others' handlers too, which would then get each line twice.
    """
    if has_pages():
        from prefect.logging.handlers import APILogHandler

        for handler in logging.getLogger("prefect.extra").handlers:
            if isinstance(handler, APILogHandler):
                logging.getLogger("sortal").addHandler(handler)


def leave_failures_to_the_caller() -> None:
    """Have Prefect not print the failure of a flow that its caller prints.

    A filter as well: Prefect sets levels anew when more of it is imported, in whatever thread.
    """
    for name in ("prefect.flow_runs", "prefect.task_runs", "prefect.flow_engine"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.addFilter(_is_critical)
    for name in ("EventsWorker", "APILogWorker"):  # "Still processing items", after our last line
        logging.getLogger(name).setLevel(logging.ERROR)


def _is_critical(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL


def _is_set_up() -> bool:
    """Whether the caller has set up logging: handlers that Prefect has not put there itself."""
    logger = logging.getLogger("sortal")
    handlers = [*logger.handlers, *(logging.getLogger().handlers if logger.propagate else [])]
    return any(not type(each).__module__.startswith("prefect.") for each in handlers)


def _terminal() -> logging.Handler:
    return RichHandler(console=Console(stderr=True), show_path=False)


def _lines() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
