"""Pictures that people search by: decoded once, made small, and kept in memory for a while."""

import io
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from sortal.configs.errors import UsageError
from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_bytes
from sortal.tasks.errors import ImageError
from sortal.tasks.pictures.decode import decode

MOST_BYTES = 20_000_000  # of a picture that is sent
_MOST_PIXELS = 64_000_000
_SIDE = 1024  # pixels of the longer side of what is kept; encoders look at 336 at the most
_HELD = 64_000_000  # bytes of all that are kept


@dataclass
class Uploads:
    """The pictures that were sent last, as PNG by their content."""

    _pictures: "OrderedDict[str, bytes]" = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, data: bytes, config: ImagesConfig) -> str:
        """Keep a picture; returns what it is known by. Raises UsageError for what is none."""
        name, small = hash_bytes(data), _small(data, config)
        with self._lock:
            self._pictures[name] = small
            self._pictures.move_to_end(name)
            while len(self._pictures) > 1 and sum(map(len, self._pictures.values())) > _HELD:
                self._pictures.popitem(last=False)
        return name

    def get(self, name: str) -> bytes:
        """A picture; raises UsageError where it is kept no longer."""
        with self._lock:
            found = self._pictures.get(name)
        if found is None:
            raise UsageError("the picture sought is kept no longer; give it again")
        return found


def _small(data: bytes, config: ImagesConfig) -> bytes:
    limits = {"max_pixels": min(config.max_pixels, _MOST_PIXELS)}
    try:
        picture = decode(data, config.model_copy(update=limits), _SIDE)
    except ImageError as error:
        raise UsageError(f"what is sought must be a picture: {error.message}") from error
    picture.thumbnail((_SIDE, _SIDE), reducing_gap=3.0)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()
