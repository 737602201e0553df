"""Pictures by run and key: small ones, kept by content, and large ones, decoded when asked for.

No path ever comes from a request: the lake says where the image of a key is. Files are never sent
as they are; what is sent was decoded and written anew.
"""

import io

from fastapi import APIRouter
from starlette.responses import Response

from sortal.configs.errors import RunError, UsageError
from sortal.flows.browse.base.asked import RunOf
from sortal.flows.operations.find import Shelf
from sortal.tasks.errors import Failure
from sortal.tasks.pictures.decode import read_image

router = APIRouter()

_LARGE = 2048  # pixels of the longer side
_FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}  # a key is its content
_ABSENT = {"cache-control": "private, max-age=60"}


@router.get("/run/{run}/small/{key:path}")
def small(run: RunOf, key: str) -> Response:
    """The thumbnail of an image; 404 where the image is gone or cannot be read."""
    found = run.shelf.kept_thumbnail(key)
    if found is None:
        with run.library.decoders:
            try:
                found = run.shelf.thumbnails([key]).get(key)
            except (UsageError, RunError, OSError):  # the source is gone
                found = None
    return _webp(found)


@router.get("/run/{run}/large/{key:path}")
def large(run: RunOf, key: str) -> Response:
    """The image at 2,048 pixels at the most; 404 where it is gone or cannot be read."""
    with run.library.decoders:
        try:
            return _webp(_decoded(run.shelf, key))
        except (UsageError, RunError, OSError):
            return _webp(None)


def _decoded(shelf: Shelf, key: str) -> bytes | None:
    for row in shelf.places([key]):
        picture = read_image(shelf.source, row, shelf.stored.config.images, _LARGE)
        if not isinstance(picture, Failure):
            picture.thumbnail((_LARGE, _LARGE), reducing_gap=2.0)
            out = io.BytesIO()
            picture.save(out, "WEBP", quality=85, method=2)
            return out.getvalue()
    return None


def _webp(data: bytes | None) -> Response:
    if data is None:
        return Response("", 404, headers=_ABSENT, media_type="text/plain")
    return Response(data, headers=_FOR_EVER, media_type="image/webp")
