"""Who is answered: the person at this machine, by the page that this server gave them.

Another page in the same browser may send requests here as well. It cannot read the answers, unless
its own name is made to mean this machine, which the Host header tells; and it cannot change
anything, because the Origin header, which browsers set, tells where a request comes from.
"""

import ipaddress
import socket

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    # Nothing is loaded but from here, and nobody may put the page into theirs.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Stands before an application, and refuses whoever is not asked in."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """Takes what it stands before.

        Args:
            app: it.
            host: that the server was told to listen at.
        """
        self._app, self._host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or refuses."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        why = self._refused(scope["method"], headers, scope["path"])
        if why:
            await _refuse(send, why)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (n.encode(), v.encode())
                        for n, v in _HEADERS.items()
                        if n.encode() not in there
                    ),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refused(self, method: str, headers: dict[str, str], path: str = "/") -> str:
        host = headers.get("host", "")
        if not self._is_here(_name_of(host)):
            return f"{host!r} is not this machine; open the address that the studio has told"
        site = headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and path != "/":  # a link may lead to the page
            return "the request comes from another page; open the studio itself"
        if method in ("GET", "HEAD"):
            return ""
        if headers.get("origin", "") != f"http://{host}":
            return "the request comes from another page; open the studio itself"
        return ""

    def _is_here(self, name: str) -> bool:
        if name in LOOPBACK or name == self._host:
            return True
        if self._host in LOOPBACK:
            return False
        # Asked to listen to others: by an address, or by this machine's own name.
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            own = socket.gethostname().lower()
            return name.lower() in (own, f"{own}.local", socket.getfqdn().lower())


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


async def _refuse(send: Send, why: str) -> None:
    body = f"refused: {why}\n".encode()
    await send(
        {
            "type": "http.response.start",
            "status": 403,
            "headers": [(b"content-type", b"text/plain; charset=utf-8")],
        }
    )
    await send({"type": "http.response.body", "body": body})
