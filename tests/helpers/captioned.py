"""Captioning a small folder of images, for the tests."""

import pyarrow.parquet as pq

from embedded import embed
from image_files import CONFIG, run
from sortal.tasks.captioning.caption import TEXTS_FILE
from sortal.tasks.captioning.step import caption_images


class Captioned:
    """The images of `source`, embedded by `encoder`, and captioned by the settings `config`."""

    def __init__(self, workspace, source, encoder, config, **more):
        images = embed(workspace, source, encoder)
        about = {"scan": run(workspace, source), "reading": CONFIG, "source": str(source)} | more
        self.artifact = caption_images(workspace, config=config, images=images, **about)
        self.table = pq.read_table(self.artifact.file(workspace, TEXTS_FILE))
        self.rows = self.table.to_pylist()
        self.texts = self.table["text"].to_pylist()
        self.codes = self.table["error_code"].to_pylist()
