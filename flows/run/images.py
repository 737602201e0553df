"""The images of a run: scanned, checked and embedded."""

from sortal.flows.run.check import check_size, warn_if_alike
from sortal.flows.run.context import Images, Run
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.scan.step import scan, warn_of


def read_images(run: Run, source: str, part: str = "") -> Images:
    """The scan and the vectors of a source; `part` stands before their roles."""
    config = run.config
    found = run.do(scan, f"{part}scan", source=source, config=config.images)
    warn_of(found)
    check_size(config, found, source)
    vectors = run.do(
        embed_images,
        f"{part}image_vectors",
        scan=found,
        source=source,
        images=config.images,
        encoder=config.encoder,
        encoder_fingerprint=run.encoder.fingerprint,
    )
    warn_if_alike(vectors, "all images")
    return Images(found, vectors, source)
