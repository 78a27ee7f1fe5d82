"""The server process of a tool: a port and a token, or a Unix socket behind a proxy.

The unit is one server process. Knows nothing about what the tool does.
"""

import asyncio
import html
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from annotation_tools.serving.guard import LOOPBACK, Guard
from annotation_tools.serving.problem import ServingError
from workbench.errors import WorkbenchError
from workbench.saving import save_bytes

TRIES = 20  # ports after the first one
PATIENCE_S = 5.0  # before a page says that it has to wait
MakeApp = Callable[[Guard], Starlette]


def run(
    make: MakeApp,
    *,
    host: str,
    port: int,
    port_is_fixed: bool,
    allow_remote: bool,
    allow_hosts: Sequence[str] = (),
    open_browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a tool until Ctrl-C.

    Args:
        make: Makes the application, given its guard.
        host: The address to listen on; only loopback unless `allow_remote`.
        port: The port to listen on; if it is taken, one of the next ones.
        port_is_fixed: Fail instead if it is taken.
        allow_remote: Let other computers in. They need the token, and what they send and see is not
            encrypted.
        allow_hosts: More names under which the server may be reached, such as a proxy's.
        open_browser: Whether to open the address.
        say: Called with the one line to show.

    Raises:
        ServingError: If the host is not loopback and that was not allowed, a name holds a `*`, or
            no port is free.
    """
    if not _is_loopback(host) and not allow_remote:
        raise ServingError(
            f"--host {host} would let other computers in",
            "add --allow-remote if you mean it, or reach this one through ssh -L",
        )
    if any("*" in name for name in allow_hosts):
        raise ServingError("--allow-host * would answer to any name", "give every name in full")
    listener = _listen(host, port, 0 if port_is_fixed else TRIES)
    bound = listener.getsockname()[1]
    names = [*allow_hosts, *([] if _is_loopback(host) else _names_of_this_computer(host))]
    token = secrets.token_urlsafe(32)
    app = make(Guard.local(token, cookie_secret(), names))
    shown = names[-1] if not _is_loopback(host) else "localhost" if host == "localhost" else host
    shown = f"[{shown}]" if ":" in shown.strip("[]") else shown
    url = f"http://{shown}:{bound}/?token={token}"
    say(url)
    if open_browser:
        # The browser may take long to start, and must not hold the server up.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    _server(app).run(sockets=[listener])


def run_on_socket(make: MakeApp, path: Path) -> None:
    """Serve a tool on a Unix socket, for a proxy that checks who is asking.

    It answers at once: behind a proxy nobody sees what is said on the terminal.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody else on this computer may connect, not even between bind and chmod.
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    _server(_WhenReady(lambda: make(Guard.behind_proxy()))).run(sockets=[listener])


class _WhenReady:
    """The application once it can be made; until then a page that says what to do or wait for."""

    def __init__(self, make: Callable[[], Starlette]) -> None:
        self._make = make
        self._made: asyncio.Future[Starlette] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            self._made = asyncio.ensure_future(run_in_threadpool(self._make))
        await asyncio.wait([self._made], timeout=PATIENCE_S)
        try:
            app: ASGIApp = self._made.result()
        except asyncio.InvalidStateError:
            app = _page("Looking through the footage …", "This page opens by itself.", again_s=2)
        except Exception as error:
            self._made = None  # the next request tries again
            if not isinstance(error, WorkbenchError):
                raise
            app = _page(f"{error.problem}.", f"{error.remedy}, then reload this page.")
        await app(scope, receive, send)


def _page(said: str, remedy: str, again_s: int = 20) -> HTMLResponse:
    lines = "".join(f"<p>{html.escape(line[:1].upper() + line[1:])}</p>" for line in (said, remedy))
    style = "body { font: 1.1rem/1.5 system-ui; margin: 15vh auto; max-width: 40rem }"
    head = f"<meta name=color-scheme content='light dark'><style>{style}</style>"
    page = f"<!doctype html><html lang=en><title>Workbench</title>{head}{lines}"
    return HTMLResponse(page, 503, {"refresh": str(again_s), "cache-control": "no-store"})


def cookie_secret() -> bytes:
    """The key that signs this user's cookies, made on first use.

    It is kept, so that a page that was open goes on working after the server was restarted.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    path = state / "workbench" / "cookie-secret"
    try:
        secret = path.read_bytes()
        if len(secret) == 32 and path.stat().st_mode & 0o077 == 0:
            return secret
    except OSError:
        pass
    secret = secrets.token_bytes(32)
    try:
        save_bytes(path, b"")
        path.chmod(0o600)
        path.write_bytes(secret)
    except OSError:
        pass  # a home that cannot be written: pages must be opened anew after a restart
    return secret


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses may hold the token
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=2,  # videos stream for as long as pages are open
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int, more: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(port, port + more + 1):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), number))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            problem = error.strerror
    where = f"port {port}" if not more else f"ports {port} to {port + more}"
    raise ServingError(f"cannot listen on {host}, {where} ({problem})", "give another --port")


def _is_loopback(host: str) -> bool:
    return host in LOOPBACK or host == "::1"


def _names_of_this_computer(host: str) -> list[str]:
    names = {socket.gethostname(), socket.getfqdn()}
    if host not in ("0.0.0.0", "::"):
        names = {host}
    return sorted(names)
