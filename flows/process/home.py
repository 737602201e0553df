"""A home for Prefect and for caches where HOME cannot be written: inside the workspace."""

import os
import pwd
import tempfile
from pathlib import Path

PREFECT_HOME = "PREFECT_HOME"
_FOLDER = "home"  # of the workspace
_CACHES = {  # by the variable that moves one, where it is by default
    "HF_HOME": ".cache/huggingface",
    "XDG_CACHE_HOME": ".cache",
    "MPLCONFIGDIR": ".config/matplotlib",
}


def settle_home(workspace: Path) -> None:
    """Where Prefect's home cannot be written, take a folder of the workspace in its place.

    Call it before Prefect or torch is imported. Caches that are there stay in use, to be read.
    """
    if not why_unusable():
        return
    place = workspace.absolute() / _FOLDER
    (place / "prefect").mkdir(parents=True, exist_ok=True)  # Prefect makes no parents
    os.environ[PREFECT_HOME] = str(place / "prefect")
    home = _home()
    if home is None:
        os.environ["HOME"] = str(place)
    for variable, usual in _CACHES.items():
        if home is None or not (home / usual).is_dir():
            os.environ.setdefault(variable, str(place / usual))
    if not _has_a_name():
        os.environ["USER"] = "sortal"  # torch and others ask for one, for names of caches


def why_unusable() -> str | None:
    """Why Prefect's home cannot be written, in one line; None where it can."""
    home = _home()
    given = os.environ.get(PREFECT_HOME)
    if not given and home is None:
        return "HOME is not set, and this user has none"
    place = Path(given) if given else Path(home or "") / ".prefect"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        return f"{place} cannot be written ({error.strerror})"


def _home() -> Path | None:
    try:
        home = Path.home()
    except (RuntimeError, KeyError):
        return None
    return home if home.is_absolute() else None


def _has_a_name() -> bool:
    if any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return True
    try:
        return bool(pwd.getpwuid(os.getuid()))
    except KeyError:
        return False
