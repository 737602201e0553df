"""What a file is by its name: an image, a container, a text about images, or something else."""

import re
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.tasks.containers.registry import kind_by_name
from sortal.tasks.labels.files import METADATA, is_text
from sortal.tasks.sources.base import EXTENSIONS, is_image


class Role(IntEnum):
    """What becomes of a file."""

    IMAGE = 0  # a row
    CONTAINER = 1  # opened, its members are files of the source
    REFUSED = 2  # a row: an archive that may hold images, and is not read
    TEXT = 3  # labels may be in it
    ODD = 4  # its name says nothing: its bytes decide
    OTHER = 5  # counted


# Archives and data sets that no reader here opens.
_REFUSED = frozenset({
    ".rar", ".cbr", ".7z", ".cb7", ".z", ".lz", ".lz4", ".lzo", ".lzma", ".arj", ".cab", ".lha",
    ".lzh", ".sit", ".sitx", ".ace", ".iso", ".dmg", ".alz", ".egg", ".tfrecord", ".tfrecords",
    ".mdb", ".beton", ".rec",
})  # fmt: skip
_VOLUME = re.compile(r"\.(?:z\d\d|r\d\d|(?:zip|7z|rar|tar|tgz|gz)\.\d{3}|part\d+\.rar)$")
_OTHER = {
    "text file": "txt text md rst log nfo rtf tex srt vtt sub ass lrc",
    "table": "csv tsv xls xlsx ods numbers",
    "JSON file": "json jsonl ndjson geojson ipynb",
    "settings file": "ini cfg conf yaml yml toml xml xmp plist properties aae pp3 dop lrcat cos "
    "url webloc lnk desktop reg lrtemplate cube acr thm",
    "web page": "html htm mhtml xhtml css",
    "document": "doc docx odt pages epub mobi azw3 fb2 djvu ppt pptx odp key one xps oxps",
    "PDF": "pdf",
    "video": "mp4 m4v mov avi mkv webm wmv flv mpg mpeg 3gp 3g2 mts m2ts vob ogv mxf insv lrv rm "
    "asf divx f4v",
    "sound": "mp3 wav flac ogg oga opus m4a aac wma aiff aif mid midi amr ape mka",
    "program": "exe dll so dylib msi bat cmd sh ps1 py pyc pyi js mjs ts jsx tsx java class jar c "
    "h cc cpp hpp cs go rs rb php pl r swift kt lua sql apk ipa app deb rpm bin o a wasm",
    "data file": "db sqlite sqlite3 npy npz mat pkl pickle h5 hdf5 pt pth ckpt safetensors onnx "
    "pb tflite index idx lock cache db-wal db-shm ithmb bak~ cls",
    "font": "ttf otf woff woff2 eot pfb",
    "check sum": "md5 sha1 sha256 sha512 sfv crc par2 asc sig pem",
    "model of a scene": "obj stl fbx gltf glb blend ply dae 3ds mtl",
}
_IMAGE = rf"\.(?:{'|'.join(sorted(each[1:] for each in EXTENSIONS))})$"
_KIND_OF = {f".{ending}": kind for kind, all_ in _OTHER.items() for ending in all_.split()}
_IMAGE_INSIDE = re.compile(
    r"\.(?:jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|avif|hei[cf]|jxl)(?=[^a-z0-9]|$)"
)
_ARROW = (".parquet", ".parq", ".pq", ".arrow", ".feather", ".ipc")


def role_of(path: str, column: str | None = None) -> Role:
    """The role of a file by its name alone; a text may end in `.column`, too."""
    if is_image(path):
        return Role.IMAGE
    name = path.rpartition("/")[2].lower()
    if name in METADATA:
        return Role.TEXT
    ending = name[name.rfind(".") :] if "." in name else ""
    if _VOLUME.search(name) or ending in _REFUSED:
        return Role.REFUSED
    if kind_by_name(name):
        return Role.CONTAINER
    if is_text(path, column):
        return Role.TEXT
    return Role.OTHER if ending in _KIND_OF else Role.ODD


def roles_of(paths: pa.Array, column: str | None = None) -> NDArray[np.int8]:
    """The role of each file by its name. Shape (n,)."""
    found = pc.match_substring_regex(paths, _IMAGE, ignore_case=True)
    roles = np.full(len(paths), Role.IMAGE, dtype=np.int8)
    rest = np.flatnonzero(~found.to_numpy(zero_copy_only=False))
    roles[rest] = [role_of(path, column) for path in paths.take(pa.array(rest)).to_pylist()]
    return roles


def kind_of(path: str) -> str:
    """What people call a file that is no image, by its name."""
    name = path.rpartition("/")[2].lower()
    if name.endswith(_ARROW):
        return "Parquet file without images"
    ending = name[name.rfind(".") :] if "." in name else ""
    return _KIND_OF.get(ending) or ("file of another kind" if ending else "file without an ending")


def says_image(path: str) -> bool:
    """Whether a name with an odd ending says image nevertheless: photo.jpg?w=200, IMG.JPG_large."""
    return bool(_IMAGE_INSIDE.search(path.rpartition("/")[2].lower()))
