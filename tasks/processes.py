"""Worker processes that do not import the user's script again, and leave Ctrl-C to their parent.

A spawned process imports the module `__main__` of its parent, so that functions of a script can be
called in it. Ours call functions of this package only, and a script without the guard
`if __name__ == "__main__":` would start all over in each of them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker, spawn
from typing import Any

from sortal.storage.stopping import terminal_signals_kept

_MAIN = ("init_main_from_name", "init_main_from_path")
_LOCK = threading.RLock()


@contextmanager
def without_main() -> Iterator[None]:
    """Processes that this thread starts inside do not import `__main__`, nor does a fork server.

    Start them inside (in `iter(DataLoader)`, in a pool's `map`) and use them outside; one thread
    at a time starts processes. Those that other threads start meanwhile are not changed. They get
    no signal from a terminal: the process that started them ends them.
    """
    with _LOCK:
        original, owner = spawn.get_preparation_data, threading.get_ident()

        def without(name: str) -> dict[str, Any]:
            data = original(name)
            if threading.get_ident() == owner:
                data = {key: value for key, value in data.items() if key not in _MAIN}
            return data

        spawn.get_preparation_data = without
        try:
            with terminal_signals_kept():
                resource_tracker.ensure_running()  # which lets signals through again
                with terminal_signals_kept():
                    yield
        finally:
            spawn.get_preparation_data = original
