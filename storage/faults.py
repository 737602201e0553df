"""Faults for tests: a process stops itself at a named point, so that recovery can be tried.

Inert unless SORTAL_TESTING is 1 and SORTAL_FAULT is `SIGNAL POINT [PATTERN OF THE PATH [COUNT]]`,
such as `KILL file.synced /vectors/ 2`: the second time that a file under vectors/ is synced.
"""

import os
import re
import signal
from collections import Counter
from pathlib import Path

_seen: Counter[str] = Counter()


def point(name: str, path: Path | None = None, torn: Path | None = None) -> None:
    """A place where a test may stop the process; `torn` is first cut to half its size."""
    if os.environ.get("SORTAL_TESTING") == "1":
        _stop_if_wanted(name, path, torn)


def _stop_if_wanted(name: str, path: Path | None, torn: Path | None) -> None:
    wanted = os.environ.get("SORTAL_FAULT", "").split()
    if len(wanted) < 2 or wanted[1] != name:
        return
    pattern, count = (*wanted[2:], *(".", "1")[len(wanted) - 2 :])
    if not re.search(pattern, str(path)):
        return
    _seen[name] += 1
    if _seen[name] == int(count):
        if torn is not None and torn.is_file():
            os.truncate(torn, torn.stat().st_size // 2)
        os.kill(os.getpid(), signal.Signals[f"SIG{wanted[0]}"])
