"""The filesystem behind a URL: the package that reads its scheme, opened with its credentials."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sortal.configs.errors import UsageError
from sortal.configs.remote import RemoteConfig, keys_in
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File
from sortal.tasks.places.retries import retried

EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "abfss": "azure", "adl": "azure",
}  # fmt: skip
_READ = (*EXTRAS, "hf", "memory")
_VERSIONS = ("ETag", "etag", "generation", "xet_hash", "blob_id", "oid", "md5Hash", "checksum")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
_CONNECT = 5  # seconds
_opened: dict[str, Any] = {}
_lock = threading.Lock()


def filesystem(url: str, settings: RemoteConfig, options: Mapping[str, Any]) -> Any:
    """fsspec's filesystem of `url`: one a process, and not, as fsspec would have it, a thread.

    Raises UsageError where its package, or what it needs to begin, is missing.
    """
    scheme = scheme_of(url)
    given = {**_defaults(scheme, settings), **_account(scheme, url), **options}
    key = f"{os.getpid()} {scheme} {json.dumps(given, sort_keys=True, default=str)}"
    with _lock:
        if key not in _opened:
            _opened[key] = _open(scheme, given)
        return _opened[key]


def _account(scheme: str, url: str) -> dict[str, Any]:
    """What a URL itself says of its account: abfs://container@account.dfs.core.windows.net/x."""
    if EXTRAS.get(scheme) != "azure" or "@" not in url:
        return {}
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return {"account_name": host.partition(".")[0]}


def _open(scheme: str, options: Mapping[str, Any]) -> Any:
    if scheme not in _READ:
        rule = "a source is a local path, or s3://, gs://, az://, hf://, http:// or https://"
        raise UsageError(f"{rule}, got {scheme}://; copy it to one of these")
    try:
        import fsspec

        fs = fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError:
        raise UsageError(
            f"a {scheme}:// source needs a package that is not installed; pip install "
            f'"sortal[{EXTRAS.get(scheme, "remote")}]"'
        ) from None
    except (ValueError, TypeError):
        raise UsageError(
            f"a {scheme}:// source needs an account and credentials; set those of its provider, "
            "such as AZURE_STORAGE_ACCOUNT_NAME, or --set images.remote.secret_block=NAME"
        ) from None
    fs.retries = 1  # of s3fs: `retried` tries again, by one rule for all
    return fs


def scheme_of(url: str) -> str:
    """The scheme in small letters: "s3"."""
    return url.partition("://")[0].lower()


def _defaults(scheme: str, settings: RemoteConfig) -> dict[str, Any]:
    """No listing is kept, since each run asks anew, and no client waits longer than we say."""
    found: dict[str, Any] = {"use_listings_cache": False}
    extra = EXTRAS.get(scheme)
    if extra == "s3":
        times = {"connect_timeout": _CONNECT, "read_timeout": settings.timeout}
        at_once = {"max_pool_connections": max(10, settings.concurrency)}
        found["config_kwargs"] = {**times, **at_once, "retries": {"max_attempts": 0}}
    if settings.anonymous:
        found |= {"token": "anon"} if extra == "gcs" else {} if scheme == "hf" else {"anon": True}
    return found


@lru_cache(maxsize=8)
def _of_block(name: str) -> dict[str, Any]:
    from prefect.blocks.system import Secret

    try:
        value = Secret.load(name).get()  # type: ignore[union-attr]
    except ValueError:
        raise UsageError(
            f"images.remote.secret_block must name a Prefect secret block, got {name!r}; make one "
            'that holds options of fsspec as JSON, such as {"key": …, "secret": …}'
        ) from None
    try:
        return dict(value if isinstance(value, dict) else json.loads(value))
    except (ValueError, TypeError):
        raise UsageError(
            f"the secret block {name} must hold options of fsspec as a JSON object; it does not"
        ) from None


def options_of(url: str, settings: RemoteConfig) -> dict[str, Any]:
    """Options that open the filesystem of `url`: of its secret block, and of keys inside it.

    Secret: never written or shown.
    """
    found = _of_block(settings.secret_block) if settings.secret_block else {}
    keys = keys_in(url) if EXTRAS.get(scheme_of(url)) == "s3" else None
    return {**found, "key": keys[0], "secret": keys[1]} if keys else dict(found)


def objects(fs: Any, root: str, settings: RemoteConfig) -> Iterator[File]:
    """Every object below `root`, its path relative to it, in a fixed order, page by page.

    Raises ImageError for what fails; gives nothing where there is nothing.
    """
    base = root.rstrip("/") + "/"
    pages = _s3_pages if hasattr(fs, "call_s3") else _walk
    for info in pages(fs, base, settings):
        name = str(info["name"])
        if not name.endswith("/"):  # a marker of a folder holds nothing
            yield file_of(name.removeprefix(base), info)


def _s3_pages(fs: Any, base: str, settings: RemoteConfig) -> Iterator[dict[str, Any]]:
    """A thousand a request however many folders there are; no more than a page is in memory."""
    bucket, _, prefix = base.partition("/")
    more: dict[str, Any] | None = {"Bucket": bucket, "Prefix": prefix, **fs.req_kw}
    while more:
        page = retried(partial(fs.call_s3, "list_objects_v2", **more), settings)
        for each in page.get("Contents", ()):
            yield {**each, "name": f"{bucket}/{each['Key']}", "size": each["Size"]}
        token = page.get("NextContinuationToken") if page.get("IsTruncated") else None
        more = {**more, "ContinuationToken": token} if token else None


def _walk(fs: Any, base: str, settings: RemoteConfig) -> Iterator[dict[str, Any]]:
    """Depth first, names in order, a request a folder."""
    stack = [iter(_children(fs, base.rstrip("/"), settings))]
    while stack:
        info = next(stack[-1], None)
        if info is None:
            stack.pop()
        elif info.get("type") == "directory":
            stack.append(iter(_children(fs, str(info["name"]).rstrip("/"), settings)))
        else:
            yield info


def _children(fs: Any, folder: str, settings: RemoteConfig) -> list[dict[str, Any]]:
    try:
        found = retried(lambda: fs.ls(folder, detail=True), settings)
    except ImageError as error:
        if error.code == Code.MISSING:
            return []
        raise
    inside = [info for info in found if str(info["name"]).rstrip("/") != folder]
    return sorted(inside, key=lambda info: str(info["name"]))


def file_of(path: str, info: Mapping[str, Any]) -> File:
    """An object as it was listed, or asked for."""
    version = next((str(info[name]) for name in _VERSIONS if info.get(name)), None)
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    size = int(info.get("size") or 0)
    return File(path, size, _nanoseconds(time), version=version and version.strip('"'))


def _nanoseconds(time: Any) -> int:
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time.replace("Z", "+00:00"))
        except ValueError:
            return 0
    if isinstance(time, datetime):
        time = time.timestamp()
    return int(time * 1e9) if isinstance(time, int | float) else 0
