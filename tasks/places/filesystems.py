"""The filesystem behind a URL: the package that reads its scheme, opened with its credentials."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sortal.configs.errors import UsageError
from sortal.configs.remote import RemoteConfig, keys_in
from sortal.storage.objects.filesystems import EXTRAS, client_options, opened, scheme_of
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File
from sortal.tasks.places.retries import retried

_READ = (*EXTRAS, "hf", "memory")
_VERSIONS = ("ETag", "etag", "generation", "xet_hash", "blob_id", "oid", "md5Hash", "checksum")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


def filesystem(url: str, settings: RemoteConfig, options: Mapping[str, Any]) -> Any:
    """fsspec's filesystem of `url`; raises UsageError where it cannot be opened."""
    scheme = scheme_of(url)
    if scheme not in _READ:
        rule = "a source is a local path, or s3://, gs://, az://, hf://, http:// or https://"
        way_out = "give the path alone" if scheme == "file" else "copy it to one of these"
        raise UsageError(f"{rule}, got {scheme}://; {way_out}")
    given = {**_defaults(scheme, settings), **_account(scheme, url), **options}
    way_out = ", or --set images.remote.secret_block=NAME"
    return opened(scheme, given, f"a source {scheme}://", way_out)


def _account(scheme: str, url: str) -> dict[str, Any]:
    """What a URL itself says of its account: abfs://container@account.dfs.core.windows.net/x."""
    if EXTRAS.get(scheme) != "azure" or "@" not in url:
        return {}
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return {"account_name": host.partition(".")[0]}


def _defaults(scheme: str, settings: RemoteConfig) -> dict[str, Any]:
    found = client_options(scheme, settings.timeout, settings.concurrency)
    if settings.anonymous:
        extra = EXTRAS.get(scheme)
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
