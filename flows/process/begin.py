"""What a command does before anything that takes time is imported."""

import sys

from sortal.flows.process.stop import end_on_signals
from sortal.flows.process.streams import forgive_streams

# Its tracker removes what stopped processes leave, and would say so after the last line.
_STAY_QUIET = "ignore::UserWarning:multiprocessing.resource_tracker"


def begin() -> None:
    """Streams first: a closed one would get the number of the first file that is opened."""
    forgive_streams()
    end_on_signals()
    sys.warnoptions.append(_STAY_QUIET)  # handed on to the processes that multiprocessing starts
