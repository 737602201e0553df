"""The workspace: one folder that holds everything Sortal keeps."""

from dataclasses import dataclass
from pathlib import Path

from sortal.configs.errors import UsageError


@dataclass(frozen=True)
class Workspace:
    """Paths inside the workspace folder `root`. Nothing outside it is ever written."""

    root: Path

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
        except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
            raise UsageError(
                f"workspace must be a folder, or a place where one can be made, got {self.root}: "
                f"{error.strerror}"
            ) from None
        return Workspace(self.root.resolve())
