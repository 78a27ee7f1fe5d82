"""Who may talk to a browser tool, and how much at once.

The unit is one HTTP request, looked at before any route sees it. The token in the address that the
command line prints is exchanged, once, for a signed cookie that scripts cannot read and other sites
cannot send; after that the address holds no secret. Knows nothing about labels or video.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from annotation_tools.serving.problem import refusal

BODY_LIMIT_BYTES = 64 << 10  # a label is a few hundred bytes
COOKIE_DAYS = 30
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD"})

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# Leaves the address with the token behind without a redirect: a redirect would still count as
# coming from whatever site the link stood on, and the browser would hold the cookie back.
ENTRANCE = (
    '<!doctype html><meta charset="utf-8"><title>Workbench</title><link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0;url=./"><p><a href="./">Go on</a></p>'
)


@dataclass(frozen=True)
class Guard:
    """The conditions under which requests are let through.

    `Guard.local` and `Guard.behind_proxy` make the two kinds there are.
    """

    token: str | None  # None: whoever reaches the server is known already
    secret: bytes = field(repr=False)  # signs cookies; keep it, and open pages survive a restart
    hosts: frozenset[str] | None  # names the server answers to, without port; None: any
    body_limit_bytes: int = BODY_LIMIT_BYTES

    @classmethod
    def local(cls, token: str, secret: bytes, also: Iterable[str] = ()) -> "Guard":
        """A guard for a server of its own, reached by loopback and the names in `also`."""
        return cls(token, secret, LOOPBACK | frozenset(name.lower() for name in also))

    @classmethod
    def behind_proxy(cls) -> "Guard":
        """A guard for a Unix socket behind a proxy that has already checked who is asking."""
        return cls(None, secrets.token_bytes(32), None)

    def sign(self, issued_s: int) -> str:
        """A cookie's value: when it was issued, and proof that we did."""
        proof = hmac.new(self.secret, str(issued_s).encode(), hashlib.sha256).hexdigest()
        return f"{issued_s}.{proof}"

    def has_signed(self, value: str) -> bool:
        """Whether a cookie's value is ours and not too old."""
        issued, _, _ = value.partition(".")
        if not (issued.isascii() and issued.isdecimal() and len(issued) <= 12):
            return False
        age_s = time.time() - int(issued)
        return _same(value, self.sign(int(issued))) and age_s < COOKIE_DAYS * 86_400


class GuardMiddleware:
    """Turns away what a guard does not let through, and adds the security headers to the rest."""

    def __init__(self, app: ASGIApp, guard: Guard, tool: str) -> None:
        self.app = app
        self.guard = guard
        self.tool = tool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # there are no websockets here

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._look_at(scope)
        if refused is not None:
            await refused(scope, receive, send_guarded)
            return
        body = _LimitedBody(receive, send_guarded, self.guard.body_limit_bytes)
        try:
            await self.app(scope, body.receive, body.send)
        except _TooLargeError:
            await _too_large(self.guard.body_limit_bytes)(scope, receive, send_guarded)

    def _look_at(self, scope: Scope) -> Response | None:
        """Return a refusal, or the answer to an entrance with the token, or None to go on."""
        headers, host = Headers(scope=scope), Headers(scope=scope).get("host", "")
        if self.guard.hosts is not None and _name_of(host) not in self.guard.hosts:
            return refusal(
                421,
                f"this server does not answer to the name {_name_of(host)[:80]!r}",
                "use the address it printed, or start it with --allow-host NAME",
            )
        writes = scope["method"] not in SAFE_METHODS
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower() and writes:
            return refusal(403, "the request comes from another site", "use the tool's own page")
        if self.guard.token is not None:
            cookie_name = f"workbench-{self.tool}-{host.rpartition(':')[2] or 80}"
            given = QueryParams(scope["query_string"]).get("token")
            if given is not None and not writes and _same(given, self.guard.token):
                return self._enter(cookie_name)
            scheme, _, credential = headers.get("authorization", "").partition(" ")
            by_header = scheme.lower() in ("token", "bearer") and _same(
                credential.strip(), self.guard.token
            )
            if not by_header:
                cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name, "")
                if not self.guard.has_signed(cookie):
                    return self._not_known(scope)
                if writes and origin is None:
                    return refusal(403, "the request names no origin", "use the tool's own page")
        elif writes and origin is None:
            return refusal(403, "the request names no origin", "use the tool's own page")
        if writes and headers.get("content-type", "").partition(";")[0] != "application/json":
            return refusal(415, "the body is not JSON", "send application/json")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.guard.body_limit_bytes:
            return _too_large(self.guard.body_limit_bytes)
        return None

    def _enter(self, cookie_name: str) -> Response:
        answer = HTMLResponse(ENTRANCE)
        answer.set_cookie(
            cookie_name,
            self.guard.sign(int(time.time())),
            max_age=COOKIE_DAYS * 86_400,
            httponly=True,
            samesite="strict",
        )
        return answer

    def _not_known(self, scope: Scope) -> Response:
        if scope["path"] == "/" and "text/html" in Headers(scope=scope).get("accept", ""):
            return HTMLResponse(
                "<!doctype html><meta charset='utf-8'><title>Workbench</title>"
                "<h1>Open the whole address</h1><p>The terminal in which the tool was started "
                "shows an address that ends in <code>?token=…</code>. Open that one.</p>",
                401,
            )
        return refusal(401, "no valid token", "open the address that the server printed")


class _TooLargeError(Exception):
    """A body grew beyond the limit."""


class _LimitedBody:
    """Counts a body while it comes in: a length that was not announced, or was a lie."""

    def __init__(self, receive: Receive, send: Send, limit_bytes: int) -> None:
        self._receive, self._send = receive, send
        self._left = limit_bytes
        self._answering = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0 and not self._answering:
                raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        self._answering = True
        await self._send(message)


def _too_large(limit_bytes: int) -> Response:
    return refusal(413, f"the body is larger than {limit_bytes >> 10} KiB", "send one label a time")


def _name_of(host: str) -> str:
    """The name in a Host header, lower case, without port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
