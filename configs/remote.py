"""Sources: the settings of remote ones, and names and addresses as people and the lake see them.

A password or a signature inside a URL is part of no identity. `without_secrets` takes it out and
keeps it in this process, where `with_secrets` finds it for whoever opens the URL.
"""

import re
from importlib.util import find_spec
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies_environment

from sortal.configs.errors import UsageError, expanded
from sortal.configs.section import Runtime, Section

URLS = "urls:"  # `urls:FILE`: a source that is a table of URLs
# Parameters that let their bearer in: signatures of S3, Google, Azure, CloudFront, and tokens.
_SECRET = re.compile(
    r"x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|sig|key|pwd|jwt|auth|authorization"
    r"|.*(token|secret|passw|credential|api[-_]?key).*",
    re.IGNORECASE,
)
_BESIDE = re.compile(  # parts of a signature, where there is one
    r"expires|policy|key-pair-id|se|sp|sr|sv|st|ss|srt|spr|sip|skoid|sktid|skt|ske|sks|skv",
    re.IGNORECASE,
)
_URL = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*://[^\s'"<>]+""")
_CONTAINER = re.compile(  # what the name of a file ends with that holds images or lists them
    r"(?<=.)\.(tar|tgz|tbz2?|txz|tzst|zip|parquet|arrow|feather|ipc|csv|tsv|jsonl?|ndjson|txt)"
    r"(\.(gz|bz2|xz|zst|lz4))?$",
    re.IGNORECASE,
)
_known: dict[str, str] = {}


class RemoteConfig(Section):
    """How buckets and URLs are read. Credentials are no settings: see `docs/inputs.md`."""

    secret_block: str | None = Runtime(None)  # a Prefect secret block of fsspec's options as JSON
    anonymous: bool = Runtime(False)  # read a public bucket without credentials
    cache_bytes: int = Runtime(10_000_000_000, ge=0)  # of what was read, in the workspace; 0: none
    concurrency: int = Runtime(16, ge=1, le=256)  # files fetched at once
    timeout: float = Runtime(20.0, gt=0.0, le=3600.0)  # seconds without an answer
    retries: int = Runtime(3, ge=0, le=20)  # of what may pass: 429, 5xx, a lost connection
    backoff: float = Runtime(0.5, ge=0.0, le=60.0)  # seconds, doubled each time


def is_remote(address: str) -> bool:
    """Whether an address is a URL or a table of URLs, and not a local path."""
    return "://" in address or address.startswith(URLS)


def without_secrets(address: str) -> str:
    """The address without user, password and signature; they stay known to this process."""
    list_of, url = (URLS, address[len(URLS) :]) if address.startswith(URLS) else ("", address)
    public = list_of + public_url(url)
    if public != address:
        _known[public] = address
    return public


def with_secrets(address: str) -> str:
    """The address as the user gave it, where this process was told."""
    return _known.get(address, address)


def public_url(url: str) -> str:
    """A URL without what lets its bearer in; any other text as it is."""
    if "://" not in url or not ("@" in url or "?" in url or "#" in url):
        return url
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("http", "https"):
        return _without_keys(scheme, rest)
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unfinished [::1
        return url.partition("?")[0].rpartition("@")[2]
    return urlunsplit((scheme, parts.netloc.rpartition("@")[2], parts.path, _open(parts.query), ""))


def _open(query: str) -> str:
    """A query without its secrets, as it is where it has none."""
    pairs = query.split("&")
    names = [pair.partition("=")[0] for pair in pairs]
    if not any(map(_SECRET.fullmatch, names)):
        return query
    both = zip(names, pairs, strict=True)
    return "&".join(p for n, p in both if not (_SECRET.fullmatch(n) or _BESIDE.fullmatch(n)))


def _without_keys(scheme: str, rest: str) -> str:
    """`s3://KEY:SECRET@bucket/x` as `s3://bucket/x`; abfs://container@account/x stays."""
    keys = re.match(r"[^/@:]+:[^@]*@", rest)
    return f"{scheme}://{rest[keys.end() :] if keys else rest}"


def keys_in(url: str) -> tuple[str, str] | None:
    """The key and secret inside `s3://KEY:SECRET@bucket/x`, or None."""
    found = re.match(r"[A-Za-z0-9+.-]+://([^/@:]+):([^@]*)@", url)
    return (found[1], found[2]) if found else None


def hide(text: str) -> str:
    """`text` with every URL in it as `public_url` gives it."""
    return _URL.sub(lambda found: public_url(found[0]), text)


def name_of(source: str) -> str:
    """What people call a source: a folder's whole name, a file's or a URL's without `.tar.gz`."""
    source = source.removeprefix(URLS)
    remote = "://" in source
    url = urlsplit(source if remote else "")
    place = expanded(f"{url.hostname}{url.path}" if remote else source)
    name = place.resolve().name if place.name in ("", "..") and not remote else place.name
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    folder = not remote and place.is_dir()
    return (shown if folder else _CONTAINER.sub("", shown)) or "collection"


def require_proxy_is_known() -> None:
    """Refuse a proxy of the environment that no client here can use: SOCKS without its package."""
    given = {name: url for name, url in getproxies_environment().items() if name != "no"}
    socks = next((name for name, url in given.items() if url.lower().startswith("socks")), None)
    if socks and find_spec("socksio") is None:
        raise UsageError(
            f"a SOCKS proxy, such as {socks.upper()}_PROXY names, needs the package socksio; "
            "pip install socksio, or take the variable away"
        )
