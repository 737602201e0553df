"""The artifacts and settings behind the training of a head; dictionaries are by corpus."""

from dataclasses import dataclass

from sortal.configs.heads import HeadConfig
from sortal.configs.schema import FusionConfig, TransportConfig
from sortal.storage.artifacts import Artifact
from sortal.tasks.step import optional


@dataclass(frozen=True, kw_only=True)
class HeadInputs:
    """Inputs of the step `head`; `modalities` are further modalities, by their names."""

    images: Artifact
    fused: Artifact
    corpora: dict[str, Artifact]
    text_vectors: dict[str, Artifact]
    spaces: dict[str, Artifact]
    transports: dict[str, Artifact]
    transport: TransportConfig
    fusion: FusionConfig
    config: HeadConfig
    n_clusters: int
    random_state: int
    scan: Artifact | None = None
    modalities: dict[str, Artifact] | None = optional(stored_as="views")
