"""Makes the tables that come with the package: `python -m sortal.tasks.embedding.tables`.

The default nouns and the starter captions under the packaged encoder, product-quantised (Jegou et
al., 2011), and what its class names decide. Two minutes on two cores.
"""

import faiss
import numpy as np

from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import CaptionsConfig, NounsConfig
from sortal.storage.hashing import hash_text
from sortal.storage.rows import FloatArray
from sortal.tasks.corpora import wordnet
from sortal.tasks.corpora.caption_files import read_captions
from sortal.tasks.corpora.captions import STARTER, caption_corpus
from sortal.tasks.corpora.nouns import noun_corpus
from sortal.tasks.embedding.texts import text_vectors
from sortal.tasks.encoders.base import PLAIN
from sortal.tasks.encoders.conse import Classes, ConseEncoder
from sortal.tasks.encoders.tables import CLASSES, TEXTS, keys_of, write_table
from sortal.tasks.progress import progress

PARTS = 192  # of a vector, two dimensions each: 192 bytes a text


def packaged_texts() -> list[str]:
    """The nouns and the captions of a run with default settings, each text once."""
    nouns = noun_corpus(wordnet.read_embedded(), NounsConfig())
    captions, _ = caption_corpus(read_captions(STARTER, "text"), CaptionsConfig())
    return list(dict.fromkeys([*nouns["text"].to_pylist(), *captions["text"].to_pylist()]))


def quantise(vectors: FloatArray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, parts) uint8 and codebooks (parts, 256, d / parts) float16, fitted on `vectors`."""
    dim = vectors.shape[1]
    quantiser = faiss.ProductQuantizer(dim, parts, 8)
    quantiser.cp.max_points_per_centroid, quantiser.cp.niter = 48, 12  # more gains nothing
    quantiser.train(vectors)
    codebooks = faiss.vector_to_array(quantiser.centroids).reshape(parts, 256, dim // parts)
    return quantiser.compute_codes(vectors), codebooks.astype(np.float16)


def write_tables() -> None:
    """Write both files over those of the package."""
    encoder, texts = ConseEncoder(EncoderConfig(device="cpu")), packaged_texts()
    (mean, linear), mixture = Classes.of(encoder.text_model)
    write_table(CLASSES, encoder.fingerprint, mean=mean, map=linear, mixture=mixture)
    with progress("embedding texts", len(texts), unit="texts") as advance:
        vectors = text_vectors(texts, PLAIN, encoder, advance)
    keys = keys_of([hash_text(text) for text in texts])
    order = np.argsort(keys)
    codes, codebooks = quantise(vectors[order], PARTS)
    write_table(TEXTS, encoder.fingerprint, keys=keys[order], codes=codes, codebooks=codebooks)


if __name__ == "__main__":
    write_tables()
