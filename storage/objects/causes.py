"""What an error of a client says: the status that a server gave, or that there are no keys."""

from typing import Any

_NO_KEYS = ("nocredential", "credentialretrieval", "defaultcredentials", "clientauthentication",
            "refresherror", "tokenretrieval", "unauthorized", "profilenotfound")  # fmt: skip


def lacks_keys(error: BaseException) -> bool:
    """Whether a client found no credentials, or none that it could use."""
    return any(word in type(error).__name__.lower() for word in _NO_KEYS)


def status_of(error: Any) -> int | None:
    """The HTTP status in an error of botocore, aiohttp, gcsfs, azure, httpx or requests."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    found = (getattr(each, name, None) for each in (error, response)
             for name in ("status_code", "status", "code"))  # fmt: skip
    return next((int(it) for it in found if isinstance(it, int) and 100 <= it < 600), None)
