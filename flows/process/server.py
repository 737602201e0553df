"""Prefect's server: the configured one must answer, else a temporary one is started."""

import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortal.configs import PREFECT_DEFAULTS
from sortal.configs.errors import RunError
from sortal.flows.process.first_database import AS_IT_IS, is_up_to_date, make_first_database
from sortal.flows.process.proxies import reach_this_machine_directly
from sortal.flows.process.temporary_server import TemporaryServer, use
from sortal.storage.deadline import within

if TYPE_CHECKING:  # asks a server that is given; without it the temporary one starts sooner
    import httpx

_SECONDS = 3.0  # for an answer, the name's resolution included
_PATIENCE = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"  # longer than Prefect's: flows/
_WAY_OUT = (
    "start it, or set PREFECT_API_URL to one that runs; without the variable (prefect config "
    "unset PREFECT_API_URL) a temporary server is used"
)


_temporary: TemporaryServer | None = None


def reach_server() -> None:
    """Make sure that a flow will have a server to talk to; raises RunError in one line."""
    reach_this_machine_directly()
    given = os.environ.get("PREFECT_API_URL")
    if given:  # before Prefect's import, which takes seconds
        _judge(given, lambda: _answers(given))
    settings = _settings()
    url = settings.api.url
    if url and not _is_ours(url):
        _judge(str(url), lambda: _ask(str(url), settings.api))
    elif not settings.server.ephemeral.enabled:
        raise RunError(
            "Prefect needs a server: set PREFECT_API_URL to one, or allow the temporary one by "
            "PREFECT_SERVER_EPHEMERAL_ENABLED=true"
        )


def begin_server_if_plain() -> None:
    """Start the temporary server where nobody has set anything of Prefect's.

    That is known before Prefect is imported, which takes half as long as its server's start.
    """
    global _temporary  # noqa: PLW0603 - one a process
    if "prefect" in sys.modules or _temporary is not None or not _nothing_is_set():
        return
    reach_this_machine_directly()
    _temporary = _started(dict(os.environ), _home())


def _nothing_is_set() -> bool:
    """Whether neither the environment nor a file that Prefect reads changes its settings."""
    given = {name for name in os.environ if name.upper().startswith("PREFECT_")}
    project = Path("pyproject.toml")
    files = (_home() / "profiles.toml", Path("prefect.toml"), Path(".env"))
    return (
        given <= {*PREFECT_DEFAULTS, "PREFECT_HOME"}
        and not any(map(os.path.lexists, files))
        and not (project.is_file() and b"tool.prefect" in project.read_bytes())
    )


def _home() -> Path:
    return Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()


def begin_server() -> Callable[[], None]:
    """Start the temporary server where none is configured; returns what waits until it answers.

    Import what the flow needs in between. Call it in the thread that will run the flow.
    """
    global _temporary  # noqa: PLW0603 - one a process
    settings = _settings()
    url = settings.api.url
    if url and not _is_ours(url):
        return lambda: None
    if _temporary is None or not _temporary.lives:
        environment = {**os.environ, **settings.to_environment_variables(exclude_unset=True)}
        environment.pop("PREFECT_API_URL", None)  # of one that has ended
        _temporary = _started(environment, settings.home, _database_of(settings))
    server = _temporary

    def wait() -> None:
        server.wait()
        use(server)

    return wait


def _started(environment: dict[str, str], home: Path, url: str | None = None) -> TemporaryServer:
    make_first_database(home, url)
    spared = AS_IT_IS if is_up_to_date(home, url) else {}
    return TemporaryServer({**environment, **spared}, float(os.environ[_PATIENCE]))


def _database_of(settings: Any) -> str | None:
    url = settings.server.database.connection_url
    return str(url.get_secret_value()) if url else None


def _is_ours(url: object) -> bool:
    return _temporary is not None and str(url) == _temporary.url


def _settings() -> Any:
    try:
        from prefect.settings import get_current_settings

        return get_current_settings()
    except (ValueError, OSError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise RunError(
            f"Prefect's settings must be right, got: {reason}; correct the variables PREFECT_… of "
            "the environment, or the profile: prefect config view"
        ) from error


def _judge(url: str, ask: Callable[[], str | None]) -> None:
    """Raise RunError where `ask()` gives what is wrong with the server, or fails."""
    import httpx

    try:
        trouble = within(_SECONDS, ask)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        trouble = " ".join(str(error).split()) or type(error).__name__
    if trouble:
        place = _without_password(url)
        raise RunError(f"Prefect's server must answer at {place}, got: {trouble}; {_WAY_OUT}")


def _answers(url: str) -> None:
    import httpx

    httpx.get(url, timeout=_SECONDS, verify=False)


def _ask(url: str, settings: Any) -> str | None:
    """What is wrong with a server that is asked for its version, as Prefect's client does first."""
    import httpx

    key, pair = settings.key, settings.auth_string
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    auth = tuple(pair.get_secret_value().split(":", 1)) if pair and not key else None
    trusted = ssl.create_default_context(cafile=settings.ssl_cert_file or None)
    verify = False if settings.tls_insecure_skip_verify else trusted
    with httpx.Client(timeout=_SECONDS, verify=verify, headers=headers, auth=auth) as client:
        return _trouble(client.get(f"{url.rstrip('/')}/admin/version"))


def _trouble(answer: "httpx.Response") -> str | None:
    """What is wrong with an answer, if anything; Prefect's cloud has no version to tell."""
    if answer.status_code in (401, 403):
        return (
            f"status {answer.status_code}; set PREFECT_API_AUTH_STRING or PREFECT_API_KEY to what "
            "it asks for"
        )
    if answer.status_code == 404 and (answer.url.host or "").endswith("prefect.cloud"):
        return None
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    is_version = answer.text.strip().strip('"')[:1].isdigit() and len(answer.text) < 100
    return None if is_version else "an answer that is not Prefect's"


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
