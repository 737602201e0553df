"""Settings of the partition of the fused vectors: clusters that are round, connected, or dense.

What is marked [infer] is our choice; docs/methods.md#partition has what it was tried on.
"""

from typing import Literal

from pydantic import Field

from sortal.configs import AUTO
from sortal.configs.errors import UsageError
from sortal.configs.executor import Products
from sortal.configs.section import SHARPEST, Section, usual


class SpectralConfig(Section):
    """Spectral clustering: how images are joined to a graph, and how large a part counts."""

    n_neighbours: int = Field(15, ge=1, le=1000)  # images are joined to so many nearest ones
    # Of more images neighbours are sought approximately, or a sample is parted by `nouns`.
    exact_rows: int = Field(50_000, ge=1)
    # What joins images: 1 for the nearest by cosine, or NTK-SC's product of cosine and of shared
    # nouns (docs/methods.md#ntk-sc), whose softmax has this temperature.
    affinity: Literal["cosine", "nouns"] = "cosine"
    temperature: float = Field(0.04, ge=SHARPEST)
    least_share: float = Field(
        0.1, ge=0.0, le=1.0
    )  # of a mean cluster: a smaller part of the graph joins its nearest neighbours [infer]

    def unread(self) -> set[str]:
        """By cosine nothing of texts is read."""
        return {"affinity", "temperature"} if self.affinity == "cosine" else set()


class DensityConfig(Section):
    """HDBSCAN, which finds how many clusters there are and leaves images between them out."""

    min_cluster_size: int | None = Field(None, ge=2)  # None: by the number of images, as follows
    images_per_cluster: int = Field(400, ge=1)  # a cluster has one image in so many ... [infer]
    least_size: int = Field(5, ge=2)  # ... and this many, at the least [infer]
    min_samples: int = Field(3, ge=1, le=1000)  # images near one that is in a cluster [infer]
    selection: Literal["eom", "leaf"] = "eom"  # leaf: the finest clusters
    dim: int = Field(30, ge=1)  # leading directions that images are compared along [infer]
    fit_rows: int = Field(20_000, ge=10)  # images it is fitted on; others join by their nearest

    def size(self, n_images: int) -> int:
        """How many images a cluster has at the least."""
        return self.min_cluster_size or max(self.least_size, n_images // self.images_per_cluster)


class PartitionConfig(Section):
    """How fused vectors are parted; `engine`, `n_init` and `max_iter` are of k-means."""

    method: Literal["kmeans", "spectral", "density"] = "kmeans"
    engine: Literal["faiss", "sklearn"] = "faiss"
    spherical: bool = True
    n_init: int = Field(20, ge=1)
    max_iter: int = Field(300, ge=1)
    fit_rows: int = Field(262_144, ge=2)  # k-means is fitted on so many images; labels are of all
    precision: Products = "float32"  # of a fit on a GPU; its labels are of float32
    spectral: SpectralConfig = SpectralConfig()
    density: DensityConfig = DensityConfig()

    @property
    def reads_nouns(self) -> bool:
        """Whether the semantic space of nouns has a part in it."""
        return self.method == "spectral" and self.spectral.affinity == "nouns"

    def check_seen(self, mode: str, evened: int) -> None:
        """Raise `UsageError` where fused vectors are not as long as nouns, and both are read."""
        if self.reads_nouns and (mode != "sum" or evened):
            raise UsageError(
                "partition.spectral.affinity=nouns must go with fusion.mode=sum and "
                f"fusion.evened=0, got {mode} and {evened}; leave these out"
            )

    def check(self, number: int | str, head: str, chooses: bool) -> None:
        """Refuse what does not go with the method; `number` is that of clusters, as it is given.

        Raises UsageError.
        """
        if self.method == "density" and number != AUTO:
            raise UsageError(
                f"n_clusters (-k) must be left out with partition.method=density, which finds it "
                f"itself, got {number}; partition.density.min_cluster_size makes clusters more or "
                "fewer"
            )
        taken = "a trained head" if head != "none" else "a choice (choose.candidates)"
        if self.method != "kmeans" and (head != "none" or chooses):
            raise UsageError(
                f"partition.method must be kmeans where {taken} is what makes the clusters, got "
                f"{self.method}; leave it out, or take --method {self.method}, or cae"
            )

    def unread(self) -> set[str]:
        """Settings of other methods; k-means is what partitions were before there were others."""
        other = {"spectral", "density"} - {self.method}
        if self.method == "density":
            return other | {"engine", "n_init", "max_iter", "fit_rows", "precision"}
        of_a_fit = {"fit_rows", "precision"}
        other |= usual(self, *of_a_fit) if self.method == "kmeans" else of_a_fit
        return other | ({"method"} if self.method == "kmeans" else set())
