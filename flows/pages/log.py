"""Log lines under a worker: ours in the run that Prefect shows, and its own without noise."""

import logging
from collections.abc import Iterator

from prefect.exceptions import FailedRun, SignatureMismatchError

from sortal.flows.pages.failure import PLAIN

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
_SAID = ("Engine execution exited", "Execution of flow run")  # again, after the state has said it


def log_under_worker() -> None:
    """Send our lines to Prefect's server, and take tracebacks that say nothing from its own."""
    logger = logging.getLogger("sortal")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    for handler in logging.getLogger("prefect.extra").handlers:
        logger.addHandler(handler)  # a worker imports Prefect before it imports us
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_shorten)


def _shorten(record: logging.LogRecord) -> bool:
    """Take the traceback from the record of a plain failure; False for one that only repeats it."""
    if str(record.msg).startswith("Finished in state Failed("):
        record.levelno, record.levelname = logging.ERROR, "ERROR"
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    chain = list(_chain(error))
    if mismatch := next((each for each in chain if isinstance(each, SignatureMismatchError)), None):
        record.msg, record.args = " ".join(str(mismatch).split()), ()
    elif not any(isinstance(each, (*PLAIN, FailedRun)) for each in chain):
        return True
    record.exc_info = record.exc_text = None
    return not str(record.msg).startswith(_SAID)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
