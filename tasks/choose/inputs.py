"""What the steps that choose without labels are given: images, and what can be fused with them."""

from dataclasses import dataclass

from sortal.configs.schema import FusionConfig, TransportConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.fusion.fuser import FuseInputs, Fuser, open_fuser
from sortal.tasks.step import optional


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """Images with their `spaces` and `transports`, which are named "noun" and "caption"."""

    images: Artifact
    spaces: dict[str, Artifact]
    transports: dict[str, Artifact]
    transport: TransportConfig
    random_state: int
    modalities: dict[str, Artifact] | None = optional()

    def fuser(self, workspace: Workspace, fusion: FusionConfig) -> Fuser:
        """The fuser of these images, by the rule `fusion`."""
        return open_fuser(
            workspace,
            FuseInputs(
                images=self.images,
                spaces=self.spaces,
                transports=self.transports,
                transport=self.transport,
                config=fusion,
                modalities=self.modalities,
            ),
        )
