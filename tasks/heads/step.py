"""The step that trains a head. What it needs of torch is imported when a head is trained."""

from pathlib import Path

from sortal.storage.artifacts import Written
from sortal.storage.workspace import Workspace
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.step import step


@step("head", HeadInputs)
def head(folder: Path, workspace: Workspace, inputs: HeadInputs) -> Written:
    """Train the head of `config.method` and write what `partition` writes, and more.

    `assignments.parquet` (key, cluster, distance, probability), `centres.npy` (n_clusters, dim):
    unit means of the clusters' *fused* vectors, so that distances mean what they do after k-means;
    `probabilities-00000.parquet`, ... (key, probabilities); `head.safetensors`: the weights, and
    `order`, the head's output behind each cluster; `history.parquet` (epoch, name, value);
    `per_image.parquet` (key, ...), where the method has more to say of each image.
    Cluster ids are by decreasing size. A head sees images and counterparts as fusion does.
    `scan` is for `selection: paper` alone, which looks at the labels; `modalities` are those
    beyond image, noun and caption.

    Checkpoints and memory-mapped vectors are in `training/<fingerprint>/` of the workspace until
    the step is done; a run that was killed resumes from there.
    """
    from sortal.tasks.heads.fit import fit

    scratch = workspace.training / head.key(workspace, inputs)
    scratch.mkdir(parents=True, exist_ok=True)
    return fit(folder, scratch, workspace, inputs)
