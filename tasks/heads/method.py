"""What a method of training is: a module with losses; the trainer knows nothing else of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sortal.configs.errors import RunError
from sortal.configs.heads import HeadConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.heads.data import Data
from sortal.tasks.heads.networks import head_of


class Method(nn.Module):
    """Base of the methods. The trainer calls `prepare`, then each epoch `start_epoch` and `loss`.

    What changes from epoch to epoch is a parameter or a buffer (`register_buffer`), so that it is
    in the checkpoints, or is made again by `start_epoch` from those; a resumed training is then
    the same as an uninterrupted one. Randomness comes only from `data.torch_generator`,
    `data.generator` and `draw`.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        # `probabilities` reads the `deciding` modalities; `spaces` are those of the texts.
        self.modalities, self.deciding, self.spaces = config.reads

    def facts(self) -> dict[str, Any]:
        """What `prepare` found out about its input and a user should know; JSON-able."""
        return {}

    def prepare(self, data: Data) -> None:
        """Make the networks and what is fixed: neighbours, centres. Called again on a resume."""
        raise NotImplementedError

    def restore(self, weights: dict[str, Tensor]) -> None:
        """The networks that decide, from the weights of a training and without its data."""
        for name in ("image_head", "head"):  # what methods call the network that decides
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in weights.items()
                if key.startswith(f"{name}.")
            }
            if own:
                setattr(self, name, head_of(own))
                return
        raise RunError(f"weights must hold a head, got only {', '.join(weights)}; run it again")

    def start_epoch(self, epoch: int) -> dict[str, float]:
        """Renew pseudo-labels and the like; what is returned goes into the history."""
        return {}

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Weighted terms by name, whose sum is descended, for images `batch` (b,)."""
        raise NotImplementedError

    def probabilities(self, block: dict[str, Tensor]) -> Tensor:
        """(b, n_clusters), rows summing to 1, of images given by the `deciding` modalities.

        A modality that an image lacks is a zero row; see `data.has_row`.
        """
        raise NotImplementedError

    def per_image(self, data: Data) -> dict[str, FloatArray]:
        """Further figures (n,) of each image after training, by name, such as a weight."""
        return {}
