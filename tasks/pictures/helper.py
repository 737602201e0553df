"""The decoders of the extra, alone in a process: a crash or a hang costs one picture, no run.

Run as a script, `helper.py MEMORY`; it imports nothing of Sortal. On stdin come a line of JSON
(op, kind, bytes, max_pixels) and the file; on stdout goes a line of JSON and, for `picture`, the
pixels or the preview.
"""

import io
import json
import os
import sys
from typing import Any, BinaryIO

_PREVIEW = 512  # pixels of the longer side; a smaller preview is passed over
_FLIPS = {3: 3, 5: 8, 6: 6}  # LibRaw's turns as EXIF orientations
Answer = tuple[dict[str, Any], bytes]


class TooManyPixelsError(Exception):
    """A picture beyond the limit, found before it is decoded."""


def heif(data: bytes, op: str, most: int) -> Answer:
    """HEIC and HEIF; libheif turns the picture as the file's boxes say."""
    import pillow_heif
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    pillow_heif.register_heif_opener(thumbnails=False)
    with Image.open(io.BytesIO(data), formats=("HEIF",)) as image:
        check(*image.size, most)
        facts = described(image) | {"format": "HEIF"}
        turned = b"irot" in data[: 1 << 20] or b"imir" in data[: 1 << 20]
        facts["stored"] = image.info.get("original_orientation")
        if not turned:  # no box: what EXIF says counts, which pillow-heif has reset
            facts["orientation"] = facts["stored"] or 1
        return facts, pixels(image, facts) if op == "picture" else b""


def jxl(data: bytes, op: str, most: int) -> Answer:
    """JPEG XL, whose size the caller has checked: the plugin decodes at once."""
    import pillow_jxl  # noqa: F401 - registers itself
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data), formats=("JXL",)) as image:
        check(*image.size, most)
        facts = described(image) | {"format": "JXL", "is_jpeg": bool(getattr(image, "jpeg", False))}
        return facts, pixels(image, facts) if op == "picture" else b""


def raw(data: bytes, op: str, most: int) -> Answer:
    """A camera's RAW: its embedded preview, or what the sensor saw (at half its size)."""
    import rawpy

    with rawpy.imread(io.BytesIO(data)) as opened:
        sizes = opened.sizes
        check(sizes.width, sizes.height, most)
        facts = {
            "format": "RAW",
            "width": sizes.width,
            "height": sizes.height,
            "orientation": _FLIPS.get(sizes.flip, 1),
        }
        if op != "picture":
            return facts, b""
        found = preview(opened)
        if found:
            return facts | {"mode": "preview"}, found
        large = max(sizes.width, sizes.height) >= 2 * _PREVIEW
        array = opened.postprocess(half_size=large, use_camera_wb=True, output_bps=8)
        height, width = array.shape[:2]
        facts |= {"mode": "RGB", "width": width, "height": height, "orientation": 1}
        return facts, array.tobytes()


def preview(opened: Any) -> bytes | None:
    """The embedded JPEG, where it is large enough."""
    import rawpy
    from PIL import Image

    try:
        thumb = opened.extract_thumb()
        if thumb.format != rawpy.ThumbFormat.JPEG:
            return None
        with Image.open(io.BytesIO(thumb.data), formats=("JPEG",)) as image:
            return bytes(thumb.data) if max(image.size) >= _PREVIEW else None
    except (rawpy.LibRawError, OSError, ValueError, SyntaxError):
        return None


def check(width: int, height: int, most: int) -> None:
    """Refuse a picture of more than `most` pixels."""
    if width * height > most:
        raise TooManyPixelsError(
            f"{width} x {height} pixels, more than images.max_pixels = {most:,}"
        )


def described(image: Any) -> dict[str, Any]:
    """Size, mode, and the blocks that came with an image, as hex."""
    info = {name: image.info.get(name) for name in ("exif", "icc_profile", "xmp")}
    blocks = {name: block.hex() for name, block in info.items() if isinstance(block, bytes)}
    return {"width": image.width, "height": image.height, "mode": image.mode, "blocks": blocks}


def pixels(image: Any, facts: dict[str, Any]) -> bytes:
    """The decoded pixels, row by row."""
    image.load()
    facts |= {"width": image.width, "height": image.height, "mode": image.mode}
    found: bytes = image.tobytes()
    return found


def answer(request: dict[str, Any], data: bytes) -> Answer:
    """What is asked for, or the error that came of it."""
    try:
        read = {"HEIF": heif, "JXL": jxl, "RAW": raw}[request["kind"]]
        return read(data, request["op"], request["max_pixels"])
    except TooManyPixelsError as error:
        return {"error": str(error), "code": "too_many_pixels"}, b""
    except MemoryError:
        return {"error": "needs more memory than a picture may", "code": "damaged"}, b""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return {"error": complaint(error), "code": "damaged"}, b""


def complaint(error: BaseException) -> str:
    """What a decoder says, in a line; what says nothing of the file is left out."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0].strip("b'\"")
    idle = ("cannot identify image file", "Generic Error")
    return "its header or its pixels cannot be read" if first.startswith(idle) else first


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the other side is gone."""
    while line := source.readline():
        request = json.loads(line)
        facts, body = answer(request, source.read(request["bytes"]))
        sink.write(json.dumps({**facts, "bytes": len(body)}).encode() + b"\n")
        sink.write(body)
        sink.flush()


def limit_memory(most: int) -> None:
    """Have allocations beyond `most` bytes fail, and leave no core file."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    limit_memory(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between answers
    serve(sys.stdin.buffer, answers)
