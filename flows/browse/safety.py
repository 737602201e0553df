"""Who may ask, and what a page may do: hosts, origins, the token, and the headers of every answer.

A page of another site can make a browser ask this server, and can give it this server's address
under a name of its own (DNS rebinding): so the host that is asked for must be one of ours, and
what writes must come from a page of ours.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

COOKIE = "sortal"
MOST_BYTES = 32_000_000  # of what is sent to us
_READING = ("GET", "HEAD")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Guard:
    """Lets a request pass, or answers it: `hosts` are the names we go by, without a port.

    With `hosts` empty any will do, and the token alone decides.
    """

    hosts: frozenset[str]
    token: str | None = None

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """The answer, with our headers."""
        response = self._refused(request) or self._entered(request) or await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refused(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self.hosts and (urlsplit(f"//{host}").hostname or "") not in self.hosts:
            return _no(403, f"this server is not {host}")
        if request.method not in _READING and not _is_ours(request, host):
            return _no(403, "only a page of this server may write")
        size = request.headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > MOST_BYTES:
            return _no(413, f"at most {MOST_BYTES:,} bytes can be sent")
        if request.method not in _READING and "content-length" not in request.headers:
            return _no(411, "say how many bytes are sent")
        return None

    def _entered(self, request: Request) -> Response | None:
        if self.token is None or _same(request.cookies.get(COOKIE), self.token):
            return None
        if not _same(request.query_params.get("token"), self.token):
            return _no(401, "open the address that `sortal browse` printed, with its token")
        # The token leaves the address, and with it histories and what is sent to a colleague.
        response = RedirectResponse(str(request.url.remove_query_params("token")), 303)
        response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        return response


def _is_ours(request: Request, host: str) -> bool:
    """Whether what writes comes from a page of this server; browsers say so themselves."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None:
        return site in (None, "same-origin")
    return urlsplit(origin).netloc == host and site in (None, "same-origin")


def _same(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())


def _no(status: int, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status)
