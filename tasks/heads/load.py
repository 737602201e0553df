"""From artifacts to what a method is trained on: each image as fusion sees it, and the texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import FileVectors, VectorSet, open_file_vectors, open_vectors
from sortal.storage.vectors import ROW_GROUP
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, normalise
from sortal.tasks.corpora.space import compared_texts, space_table, space_texts
from sortal.tasks.encoders.base import device_of
from sortal.tasks.fusion.fuser import open_counterparts
from sortal.tasks.heads.data import Data, Matrix, TextSpace, write_matrix
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.method import Method


def open_data(workspace: Workspace, inputs: HeadInputs, method: Method, scratch: Path) -> Data:
    """The modalities and spaces that `method` reads; modalities are written to `scratch` once."""
    device = device_of(inputs.config.trainer.device)
    loader = _Loader(workspace, inputs, device)
    modalities = {}
    for name in method.modalities:
        path = scratch / f"modality-{name}.npy"
        write_matrix(path, loader.shape(name), loader.blocks(name))
        modalities[name] = Matrix(path, device)
    return Data(
        n_clusters=inputs.n_clusters,
        modalities=modalities,
        spaces={name: loader.space(name) for name in method.spaces},
        scratch=scratch,
        random_state=inputs.random_state,
        device=device,
    )


@dataclass(frozen=True)
class _Loader:
    """Reads the inputs of a head."""

    workspace: Workspace
    inputs: HeadInputs
    device: str

    def shape(self, modality: str) -> tuple[int, int]:
        """(n, dim); a counterpart is a mixture of texts, which are as long as images are."""
        further = self._further(modality)
        return (self._rows(further) if further else self._image_rows()).shape

    def blocks(self, modality: str) -> Iterator[FloatArray]:
        """Rows of all images in one modality."""
        if modality == "image" and self.inputs.config.image == "fused":
            return self._rows(self.inputs.fused).blocks(ROW_GROUP)
        if modality == "image":
            return self._images()
        further = self._further(modality)
        return self._further_rows(further) if further else self._counterparts(modality)

    def space(self, name: str) -> TextSpace:
        """The texts of one semantic space."""
        space = self.inputs.spaces[name]
        plain = compared_texts(self.workspace, space)
        shown, _ = space_texts(self.workspace, space, self.inputs.fusion.centred)
        mean = np.load(self.inputs.text_vectors[name].file(self.workspace, "mean.npy"))
        return TextSpace(
            vectors=torch.tensor(shown, device=self.device),
            generality=plain @ normalise(mean[None, :])[0],
            table=space_table(self.workspace, space, self.inputs.corpora[name]),
        )

    def _further(self, modality: str) -> Artifact | None:
        return (self.inputs.modalities or {}).get(modality)

    def _image_rows(self) -> VectorSet:
        return open_vectors(self.workspace, self.inputs.images)

    def _image_mean(self, centred: bool) -> FloatArray | None:
        return np.load(self.inputs.images.file(self.workspace, "mean.npy")) if centred else None

    def _images(self) -> Iterator[FloatArray]:
        mean = self._image_mean(self.inputs.fusion.centred)
        for block in self._image_rows().blocks(ROW_GROUP):
            yield centre(block, mean)

    def _rows(self, further: Artifact) -> FileVectors:
        return open_file_vectors(self.workspace, further)

    def _further_rows(self, further: Artifact) -> Iterator[FloatArray]:
        """Without their own mean where fusion removes it; missing rows stay zero."""
        mean = np.load(further.file(self.workspace, "mean.npy"))
        for block in self._rows(further).blocks(ROW_GROUP):
            known = block.any(axis=1, keepdims=True)
            yield centre(block, mean) * known if self.inputs.fusion.centred else block

    def _counterparts(self, name: str) -> Iterator[FloatArray]:
        """Counterparts in one space, from the transport's stored potential."""
        inputs = self.inputs
        space, solved = inputs.spaces[name], inputs.transports[name]
        found = open_counterparts(self.workspace, space, solved, inputs.transport, inputs.fusion)
        mean = self._image_mean(inputs.transport.centred)
        for block in self._image_rows().blocks(ROW_GROUP):
            yield found.counterparts(centre(block, mean))
