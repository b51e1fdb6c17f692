"""A studio that serves in this process, and a person without a browser."""

import contextlib
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import uvicorn
from PIL import Image

from dip_jax.studio.app import Studio

SIZE = (40, 48)  # height, width
# A network that is compiled and run in no time, and no refinement.
SMALL = (
    "network.scales=2 network.down=4 network.up=4 network.skip=2 input.depth=2 refine=False "
    "parts.kind=whole"
)


def waves(dtype: Any = np.uint8, size: tuple[int, int] = SIZE, channels: int = 3) -> np.ndarray:
    x = 0.5 + 0.4 * np.sin(np.indices(size).sum(axis=0) / 4)
    x = np.stack([np.roll(x, 3 * i, axis=1) for i in range(channels)], axis=-1)
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    return (x * top).astype(dtype)


def layer(marked: np.ndarray) -> bytes:
    """What the page sends of what was painted."""
    pixels = np.zeros((*marked.shape, 4), np.uint8)
    pixels[marked] = (255, 64, 48, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Person:
    """Asks a studio as its page does."""

    def __init__(self, studio: Studio, port: int) -> None:
        self.studio, self.port = studio, port
        self.address = f"http://127.0.0.1:{port}"

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Origin": self.address} | {n.replace("_", "-"): v for n, v in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data, {n.lower(): v for n, v in answer.getheaders()}

    def told(self, path: str, method: str = "GET", body: Any = None) -> Any:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        status, answer, _ = self.ask(path, method, data)
        assert status == 200, answer
        return json.loads(answer)

    def refusal(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, str]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        status, answer, _ = self.ask(path, method, data)
        return status, json.loads(answer)["error"]

    def open(self, data: bytes, name: str = "photo.png") -> dict[str, Any]:
        return self.told(f"/api/pictures?name={quote(name)}", "POST", data)

    def open_pixels(self, pixels: np.ndarray, name: str = "photo.png") -> dict[str, Any]:
        buffer = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
        return self.open(buffer.getvalue(), name)

    def start(self, id: str, command: str, more: str = "", **options: Any) -> dict[str, Any]:
        options = {"steps": 4, "set": f"{SMALL} {more}".strip()} | options
        form = {"command": command, "options": options}
        return self.told(f"/api/pictures/{id}/start", "POST", form)

    def wait(self, work: dict[str, Any], state: str = "done") -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while (work := self.told(f"/api/works/{work['number']}"))["state"] == "fitting":
            assert time.monotonic() < deadline, work
            time.sleep(0.05)
        assert work["state"] == state, work
        return work


@contextlib.contextmanager
def serving(**how: Any) -> Iterator[Person]:
    studio = Studio(**how)
    config = uvicorn.Config(
        studio.app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Person(studio, listening.getsockname()[1])
    finally:
        studio.bench.close()
        if studio.bench.now is not None:
            studio.bench.now.wait(60)
        server.should_exit = True
        thread.join()
        listening.close()
        studio.desk.close()
