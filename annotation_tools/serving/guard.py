"""Access control of a browser tool: token, cookie, origin and size of a request.

The unit is one HTTP request, checked before any route sees it; Starlette has checked its host. The
token in the address that the command line prints is exchanged, once, for a signed cookie that
scripts cannot read and other sites cannot send; after that the address holds no secret. Knows
nothing about labels or video.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from annotation_tools.serving.problem import refusal

BODY_LIMIT_BYTES = 64 << 10  # a label is a few hundred bytes
TOO_LARGE = (f"the body is larger than {BODY_LIMIT_BYTES >> 10} KiB", "send one label at a time")
COOKIE_S = 30 * 86_400
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE_METHODS = frozenset({"GET", "HEAD"})

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# A page that leads to the address without the token. A redirect would count as a request from the
# site that held the link, and the browser would not send the new SameSite=Strict cookie.
ENTRANCE = (
    '<!doctype html><meta charset="utf-8"><title>Workbench</title><link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0;url=./"><p><a href="./">Go on</a></p>'
)


@dataclass(frozen=True)
class Guard:
    """The conditions under which requests are let through.

    `Guard.local` and `Guard.behind_proxy` make the two kinds there are.
    """

    token: str | None  # None: a proxy has checked who is asking
    secret: bytes = field(repr=False)  # signs cookies; keep it, and open pages survive a restart
    hosts: tuple[str, ...]  # names in the Host header that are answered, without port; "*": any

    @classmethod
    def local(cls, token: str, secret: bytes, also: Iterable[str] = ()) -> "Guard":
        """A guard for a server of its own, reached by loopback and the names in `also`."""
        return cls(token, secret, (*LOOPBACK, *also))

    @classmethod
    def behind_proxy(cls) -> "Guard":
        """A guard for a Unix socket behind a proxy that has already checked who is asking."""
        return cls(None, secrets.token_bytes(32), ("*",))

    def cookie(self) -> str:
        """The value of a cookie that lets its bearer in."""
        return self._signer().sign("known").decode()

    def has_signed(self, value: str) -> bool:
        """Whether a cookie's value is ours and not too old."""
        try:
            self._signer().unsign(value, max_age=COOKIE_S)
        except BadSignature:
            return False
        return True

    def _signer(self) -> TimestampSigner:
        return TimestampSigner(self.secret, digest_method=hashlib.sha256)


class GuardMiddleware:
    """Refuses what a guard does not let through, and adds the security headers to every answer."""

    def __init__(
        self, app: ASGIApp, guard: Guard, tool: str, uploads: Mapping[str, int] | None = None
    ) -> None:
        self.app = app
        self.guard = guard
        self.tool = tool
        self.uploads = uploads or {}  # paths to which files may be sent, and their largest size

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
        await self.app(scope, receive, send_guarded)

    def _look_at(self, scope: Scope) -> Response | None:
        """Return a refusal, or the answer to an entrance with the token, or None to go on."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        writes = scope["method"] not in SAFE_METHODS
        if writes and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return refusal(403, "the request comes from another site", "use the tool's own page")
        token, is_program = self.guard.token, False  # a program sends the token in a header
        if token is not None:
            cookie_name = f"workbench-{self.tool}-{host.rpartition(':')[2] or 80}"
            given = QueryParams(scope["query_string"]).get("token")
            if given is not None and not writes and _same(given, token):
                return self._enter(cookie_name)
            scheme, _, credential = headers.get("authorization", "").partition(" ")
            is_program = scheme.lower() in ("token", "bearer") and _same(credential.strip(), token)
            cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name, "")
            if not is_program and not self.guard.has_signed(cookie):
                return self._not_known(scope)
        if writes and origin is None and not is_program:
            return refusal(403, "the request names no origin", "use the tool's own page")
        most = self.uploads.get(scope["path"].removeprefix(scope.get("root_path", "")))
        kind = "application/json" if most is None else "application/octet-stream"
        if writes and headers.get("content-type", "").partition(";")[0] != kind:
            said = "the body is not JSON" if most is None else "the body is not a file"
            return refusal(415, said, f"send {kind}")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > (most or BODY_LIMIT_BYTES):
            if most is None:
                return refusal(413, *TOO_LARGE)
            return refusal(413, f"the file is larger than {most >> 20} MB", "send a smaller one")
        return None

    def _enter(self, cookie_name: str) -> Response:
        answer = HTMLResponse(ENTRANCE)
        value = self.guard.cookie()
        answer.set_cookie(cookie_name, value, COOKIE_S, httponly=True, samesite="strict")
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


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
