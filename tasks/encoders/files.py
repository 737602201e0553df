"""Files that encoders need: found in installed packages, hashed once, checked before use.

Nothing here imports or runs a package's own code.
"""

import hashlib
import importlib.metadata
from functools import lru_cache
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.storage.hashing import hash_file

_CHUNK = 1 << 20


@lru_cache(maxsize=4096)
def _hash_as_of(path: Path, size: int, mtime_ns: int) -> str:
    return hash_file(path)


@lru_cache(maxsize=64)
def _sha256_as_of(path: Path, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """xxh3-128 of a file; an unchanged file (size, mtime) is hashed once a process."""
    stat = path.stat()
    return _hash_as_of(path.resolve(), stat.st_size, stat.st_mtime_ns)


def folder_hash(folder: Path) -> list[tuple[str, str]]:
    """(relative name, content hash) of every file in `folder`, in order of name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), content_hash(path)) for path in files]


def package_file(package: str, version: str, suffix: str, sha256: str) -> Path:
    """The file of an installed package whose path ends in `suffix`, its SHA-256 checked.

    Raises UsageError when the package is absent, lacks the file, or holds other bytes.
    """
    cure = f"pip install --force-reinstall {package}=={version}"
    try:
        listed = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        message = f"encoder conse needs the package {package}, which is not installed; {cure}"
        raise UsageError(message) from None
    paths = [Path(str(file.locate())) for file in listed if file.as_posix().endswith(suffix)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise UsageError(f"package {package} must hold {suffix}, which is missing; {cure}")
    check_sha256(path, sha256, cure)
    return path


def check_sha256(path: Path, expected: str, cure: str) -> None:
    """Raise UsageError unless the file's SHA-256 is `expected`; `cure` says what to do."""
    stat = path.stat()
    got = _sha256_as_of(path, stat.st_size, stat.st_mtime_ns)
    if got != expected:
        raise UsageError(
            f"{path.name} must have sha256 {expected[:16]}…, got {got[:16]}…; refusing to load"
            f" it; {cure}"
        )
