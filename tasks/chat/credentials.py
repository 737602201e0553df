"""Where a server is and the key to it: never settings, never written anywhere."""

import json
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from sortal.configs.errors import UsageError
from sortal.configs.modalities import EndpointConfig

HIDDEN = "***"


@dataclass(frozen=True, repr=False)
class Credentials:
    """The server's base URL (`…/v1`) and its key, which may be empty."""

    base_url: str
    key: str

    @property
    def host(self) -> str:
        """The server as people may see it: no path, no name, no password."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def hide(self, text: str) -> str:
        """`text` without the key, or the password of the URL, wherever an answer repeats them."""
        for secret in (self.key, urlsplit(self.base_url).password or ""):
            text = text.replace(secret, HIDDEN) if len(secret) > 3 else text
        return text

    def __repr__(self) -> str:
        return f"Credentials(host={self.host!r})"


def credentials(config: EndpointConfig, section: str = "captioner.openai") -> Credentials:
    """From the Prefect secret block, where one is named, else from the environment.

    `section` is where the settings lie. Raises UsageError where there is no address, or none that
    can be one.
    """
    if config.secret_block:
        found = _of_block(config.secret_block, section)
    else:
        names = (config.base_url_variable, config.key_variable)
        found = Credentials(*(os.environ.get(name, "").strip() for name in names))
    where = (
        f"the secret block {config.secret_block}"
        if config.secret_block
        else f"the environment variable {config.base_url_variable}"
    )
    parts = urlsplit(found.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{section} needs the server's address, such as http://localhost:8000/v1, in "
            f"{where}; got {'none' if not found.base_url else 'no http:// or https:// address'}"
        )
    return found


def _of_block(name: str, section: str) -> Credentials:
    from prefect.blocks.system import Secret

    try:
        value = Secret.load(name).get()  # type: ignore[union-attr]
    except ValueError as error:
        raise UsageError(
            f"{section}.secret_block must name a Prefect secret block, got {name!r}; make "
            "one that holds base_url and api_key as JSON"
        ) from error
    try:
        found = value if isinstance(value, dict) else json.loads(value)
        return Credentials(str(found["base_url"]), str(found.get("api_key", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"the secret block {name} must hold base_url and api_key as JSON; it does not"
        ) from None
