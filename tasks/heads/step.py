"""The step that trains a head. What it needs of torch is imported when a head is trained."""

from pathlib import Path

from sortal.configs.heads import HeadConfig
from sortal.configs.schema import FusionConfig, TransportConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.workspace import Workspace
from sortal.tasks.step import step

_PLACES = ("folder", "workspace")


@step("head")
def head(
    folder: Path,
    workspace: Workspace,
    *,
    images: Artifact,
    fused: Artifact,
    corpora: dict[str, Artifact],
    text_vectors: dict[str, Artifact],
    spaces: dict[str, Artifact],
    transports: dict[str, Artifact],
    transport: TransportConfig,
    fusion: FusionConfig,
    config: HeadConfig,
    n_clusters: int,
    random_state: int,
    scan: Artifact | None = None,
    views: dict[str, Artifact] | None = None,
) -> Written:
    """Train the head of `config.method` and write what `partition` writes, and more.

    `assignments.parquet` (key, cluster, distance, probability), `centres.npy` (n_clusters, dim):
    unit means of the clusters' *fused* vectors, so that distances mean what they do after k-means;
    `probabilities-00000.parquet`, ... (key, probabilities); `head.safetensors`: the weights, and
    `order`, the head's output behind each cluster; `history.parquet` (epoch, name, value);
    `per_image.parquet` (key, ...), where the method has more to say of each image.
    Cluster ids go by decreasing size. A head sees images and counterparts as fusion does.
    `scan` is for `selection: paper` alone, which looks at the labels; `views` are further ones.

    Checkpoints and memory-mapped vectors are in `training/<fingerprint>/` of the workspace until
    the step is done; a run that was killed goes on from there.
    """
    arguments = {name: value for name, value in locals().items() if name not in _PLACES}
    from sortal.tasks.heads.fit import fit
    from sortal.tasks.heads.inputs import Inputs

    scratch = workspace.training / head.fingerprint(workspace, **arguments)
    scratch.mkdir(parents=True, exist_ok=True)
    inputs = Inputs(
        images, corpora, text_vectors, spaces, transports, transport, fusion, views or {}
    )
    return fit(
        folder,
        scratch,
        workspace,
        inputs,
        fused,
        config,
        n_clusters=n_clusters,
        random_state=random_state,
        scan=scan,
    )
