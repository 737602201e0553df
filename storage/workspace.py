"""The workspace: one folder that holds everything Sortal keeps."""

import difflib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.storage.objects.address import configured


@dataclass(frozen=True)
class Workspace:
    """Paths inside the workspace folder `root`. Nothing outside it is ever written.

    `objects` is the bucket, if any, where artifacts and vectors are published (storage/mirror.py).
    """

    root: Path
    objects: str | None = field(default_factory=configured)

    @property
    def artifacts(self) -> Path:
        """Immutable results of steps: `artifacts/<kind>/<fingerprint>/`."""
        return self.root / "artifacts"

    @property
    def vectors(self) -> Path:
        """Vector shards: `vectors/<encoder fingerprint>/<images|texts>/`."""
        return self.root / "vectors"

    @property
    def lake(self) -> Path:
        """The DuckLake: `catalog.sqlite` and `data/`."""
        return self.root / "lake"

    @property
    def reports(self) -> Path:
        """One HTML page a run."""
        return self.root / "reports"

    @property
    def training(self) -> Path:
        """Checkpoints and flat vectors of unfinished trainings: `training/<fingerprint>/`."""
        return self.root / "training"

    @property
    def thumbnails(self) -> Path:
        """Small pictures by content: a SQLite file a size."""
        return self.root / "thumbnails"

    @property
    def results(self) -> Path:
        """Prefect's small references to artifacts."""
        return self.root / "prefect"

    def relative(self, path: Path) -> str:
        """`path` as it is written into manifests: relative to the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    def create(self) -> "Workspace":
        """Make the folder; returns self with an absolute root. Raises UsageError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            return replace(self, root=self.root.resolve())
        except (OSError, ValueError) as error:
            raise _impossible(self.root, error) from None

    @contextmanager
    def made(self) -> Iterator["Workspace"]:
        """The folder, made now; where an error follows, a new one that is empty goes again."""
        is_new = not self.root.exists()
        try:
            yield self.create()
        except BaseException:
            if is_new:
                with suppress(OSError):
                    self.root.rmdir()
            raise

    def is_there(self) -> bool:
        """Whether the folder is there; UsageError where no folder can be. Makes nothing."""
        try:
            if self.root.exists() and not self.root.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if self.root.is_dir():
                os.listdir(self.root)  # noqa: PTH208 - whether it may be read
                return True
            return False
        except (OSError, ValueError) as error:
            raise _impossible(self.root, error) from None

    def no_runs(self) -> UsageError:
        """The error for a workspace without a run, which names those that are near."""
        near = _workspaces_near(self.root)
        hint = f"did you mean {' or '.join(near)}?" if near else "make one with `sortal cluster`"
        state = "" if self.root.is_dir() else ", which is not there"
        return UsageError(f"no runs in the workspace {self.root}{state}; {hint}")


def _impossible(root: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(
        f"workspace must be a folder, or a place where one can be made, got {root}: {reason}"
    )


def _workspaces_near(root: Path) -> list[str]:
    """Folders beside `root` that hold a lake and have a similar name, or the only one there."""
    try:
        beside = [path for path in root.absolute().parent.iterdir() if (path / "lake").is_dir()]
    except OSError:
        return []
    names = [path.name for path in beside if path.name != root.name]
    close = difflib.get_close_matches(root.name, names, 3, cutoff=0.5)
    return [str(root.parent / name) for name in close or (names if len(names) == 1 else [])]
