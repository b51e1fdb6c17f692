"""The server: what the page asks, and what it is answered."""

import json
import mimetypes
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from dip_jax.errors import InputError
from dip_jax.studio.asked import asked, offered
from dip_jax.studio.bench import Bench, Busy
from dip_jax.studio.desk import Desk, Sheet, name_of
from dip_jax.studio.guard import Guard
from dip_jax.studio.work import Work

_MOST_BYTES = 600 * 2**20  # of an upload: as many pixels as are read, of 16 bits in colour
_MOST_BYTES_OF_FORM = 2**16
_CHUNK = 2**18  # bytes
_PAGE = {
    "": ("studio.html", "text/html; charset=utf-8"),
    "studio.css": ("studio.css", "text/css; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    **{
        name: (name, "text/javascript; charset=utf-8")
        for name in ("studio.js", "editor.js", "forms.js", "results.js", "server.js")
    },
}


class Studio:
    """The application, with the desk and the bench that it is for."""

    def __init__(self, host: str = "127.0.0.1", most_bytes: int = _MOST_BYTES) -> None:
        """The desk is empty.

        Args:
            host: that the server listens at.
            most_bytes: of an upload.
        """
        self.desk = Desk()
        self.bench = Bench(self.desk)
        self._most_bytes = most_bytes
        routes = [
            Route("/api/tasks", self._tasks),
            Route("/api/state", self._state),
            Route("/api/pictures", self._upload, methods=["POST"]),
            Route("/api/pictures/{id}", self._told),
            Route("/api/pictures/{id}/view", self._view),
            Route("/api/pictures/{id}/mask", self._mask),
            Route("/api/pictures/{id}/mask", self._paint, methods=["PUT"]),
            Route("/api/pictures/{id}/mask-file", self._mask_file, methods=["POST"]),
            Route("/api/pictures/{id}/marks", self._marks),
            Route("/api/pictures/{id}/files/{option}", self._option_file, methods=["POST"]),
            Route("/api/pictures/{id}/files/{option}", self._no_option_file, methods=["DELETE"]),
            Route("/api/pictures/{id}/estimate", self._estimate, methods=["POST"]),
            Route("/api/pictures/{id}/start", self._start, methods=["POST"]),
            Route("/api/works/{number:int}", self._work),
            Route("/api/works/{number:int}/stop", self._stop, methods=["POST"]),
            Route("/api/works/{number:int}/preview", self._preview),
            Route("/api/works/{number:int}/result", self._result),
            Route("/api/works/{number:int}/mask", self._mask_of_result),
            Route("/api/works/{number:int}/{view}", self._view_of_result),
            Route("/{name:path}", _page),
        ]
        handlers: dict[Any, Callable[..., Any]] = {
            InputError: _cannot_be_used,
            Busy: _is_busy,
            HTTPException: _is_not_there,
            OSError: _cannot_be_written,
        }
        self.app: ASGIApp = Guard(Starlette(routes=routes, exception_handlers=handlers), host)

    # Pictures.

    def _tasks(self, request: Request) -> Response:
        return JSONResponse(list(offered().values()))

    async def _upload(self, request: Request) -> Response:
        name = name_of(request.query_params.get("name", ""))
        folder = self.desk.new_folder()
        await self._received(request, folder / name)
        sheet = await run_in_threadpool(self.desk.add, folder, name, self.bench.uses)
        return JSONResponse(sheet.told())

    async def _received(self, request: Request, path: Path) -> None:
        """Writes what is uploaded into a file, alone in its folder.

        Raises:
            InputError: if it is too large.
        """
        size, done = 0, False
        try:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._most_bytes:
                        raise InputError(
                            f"{path.name} has more than {self._most_bytes / 2**20:.0f} MiB; "
                            "expected a smaller file: reduce or crop the picture, or give it to "
                            "the command, dip-jax"
                        )
                    file.write(chunk)
            done = True
        finally:
            if not done:
                shutil.rmtree(path.parent, ignore_errors=True)

    def _sheet(self, request: Request) -> Sheet:
        try:
            return self.desk.sheet(request.path_params["id"])
        except KeyError:
            raise HTTPException(
                404, "this picture is not on the desk any more: open it again"
            ) from None

    def _told(self, request: Request) -> Response:
        return JSONResponse(self._sheet(request).told())

    def _view(self, request: Request) -> Response:
        with self.desk.plainly():
            return _file(self._sheet(request).view(_range_of(request)))

    def _mask(self, request: Request) -> Response:
        sheet = self._sheet(request)
        if sheet.mask is None:
            raise HTTPException(404, "nothing is marked")
        if request.query_params.get("as") == "layer":
            return Response(sheet.layer(), media_type="image/png")
        return FileResponse(sheet.mask, headers=_as_download(sheet.mask_name))

    async def _paint(self, request: Request) -> Response:
        sheet = self._sheet(request)
        layer = await _body(request, self._most_bytes, "the mask is too large")
        marked = await run_in_threadpool(sheet.paint, layer)
        return JSONResponse({"marked": marked})

    async def _mask_file(self, request: Request) -> Response:
        sheet = self._sheet(request)
        polarity = request.query_params.get("polarity", "fill")
        folder = self.desk.new_folder()
        path = folder / name_of(request.query_params.get("name", ""))
        await self._received(request, path)

        def read() -> tuple[bytes, tuple[str, ...]]:
            try:
                with self.desk.plainly():
                    return sheet.marks_in(path, polarity)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        layer, remarks = await run_in_threadpool(read)
        return Response(
            layer, media_type="image/png", headers={"x-remarks": quote(json.dumps(remarks))}
        )

    def _marks(self, request: Request) -> Response:
        try:
            sensitivity = float(request.query_params.get("sensitivity", "0.5"))
        except ValueError:
            raise InputError("the sensitivity is no number; expected one from 0 to 1") from None
        with self.desk.plainly():
            layer = self._sheet(request).suggested(sensitivity, _range_of(request))
        return Response(layer, media_type="image/png")

    async def _option_file(self, request: Request) -> Response:
        sheet, option = self._sheet(request), request.path_params["option"]
        known = {o["name"] for t in offered().values() for o in t["options"] if o["kind"] == "file"}
        if option not in known:
            raise HTTPException(404, "there is no such option")
        name = name_of(request.query_params.get("name", ""))
        folder = self.desk.new_folder()
        await self._received(request, folder / name)

        def give() -> None:
            try:
                with self.desk.plainly():
                    sheet.give(option, name, folder / name)
            except InputError:
                shutil.rmtree(folder, ignore_errors=True)
                raise

        await run_in_threadpool(give)
        return JSONResponse(sheet.told())

    def _no_option_file(self, request: Request) -> Response:
        sheet = self._sheet(request)
        sheet.take_back(request.path_params["option"])
        return JSONResponse(sheet.told())

    # Works.

    async def _estimate(self, request: Request) -> Response:
        sheet, form = self._sheet(request), await _form(request)
        return JSONResponse(
            await run_in_threadpool(lambda: self.bench.estimate(sheet, asked(form)))
        )

    async def _start(self, request: Request) -> Response:
        sheet, form = self._sheet(request), await _form(request)

        def start() -> Work:
            like = form.get("like") if isinstance(form, dict) else None
            before = None if like is None else self._of_number(like)
            if before is not None and before.sheet is not sheet:
                raise InputError("that result is of another picture; expected one of this")
            return self.bench.start(sheet, asked(form), before)

        return JSONResponse((await run_in_threadpool(start)).told())

    def _state(self, request: Request) -> Response:
        now = self.bench.now
        return JSONResponse(
            {
                "now": None if now is None else now.told(),
                "works": [
                    {
                        "number": w.number,
                        "picture": w.sheet.id,
                        "name": w.sheet.name,
                        "state": w.state,
                    }
                    for w in self.bench.works
                ],
            }
        )

    def _number(self, request: Request) -> Work:
        return self._of_number(request.path_params["number"])

    def _of_number(self, number: int) -> Work:
        try:
            return self.bench.work(number)
        except KeyError:
            raise HTTPException(404, "there is no such result any more") from None

    def _work(self, request: Request) -> Response:
        return JSONResponse(self._number(request).told())

    def _stop(self, request: Request) -> Response:
        work = self._number(request)
        work.stop()
        return JSONResponse(work.told())

    def _preview(self, request: Request) -> Response:
        close_up = "close-up" in request.query_params
        return _file(self._number(request).preview(close_up))

    def _result(self, request: Request) -> Response:
        work = self._number(request)
        path = work.file(lossless="lossless" in request.query_params)
        if path is None:
            raise HTTPException(404, "there is no result yet")

        def chunks() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
            work.downloaded = True  # all of it was taken

        headers = _as_download(path.name) | {"content-length": str(path.stat().st_size)}
        if request.method == "HEAD":
            return Response(headers=headers)
        return StreamingResponse(chunks(), headers=headers, media_type=_media_type(path))

    def _mask_of_result(self, request: Request) -> Response:
        work = self._number(request)
        if work.files.mask is None:
            raise HTTPException(404, "nothing was marked")
        return FileResponse(work.files.mask, headers=_as_download(work.sheet.mask_name))

    def _view_of_result(self, request: Request) -> Response:
        try:
            return _file(self._number(request).view(request.path_params["view"]))
        except KeyError:
            raise HTTPException(404, "there is no such picture") from None


async def _body(request: Request, most: int, words: str) -> bytes:
    """What is sent, of so many bytes at most; else these words refuse it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise InputError(words)
    return bytes(body)


async def _form(request: Request) -> Any:
    body = await _body(request, _MOST_BYTES_OF_FORM, "the form is too long")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("the form is no JSON; expected what the page sends") from None


def _range_of(request: Request) -> tuple[float, float] | None:
    """The values of black and white that the page asks with."""
    low, high = (request.query_params.get(name) for name in ("low", "high"))
    if low is None or high is None:
        return None
    try:
        return float(low), float(high)
    except ValueError:
        raise InputError("the values of black and white are no numbers; expected two") from None


def _page(request: Request) -> Response:
    name, media_type = _PAGE.get(request.path_params["name"], ("", ""))
    if not name:
        raise HTTPException(404, "there is no such page")
    content = resources.files("dip_jax.studio").joinpath("page", name).read_bytes()
    return Response(content, media_type=media_type)


def _file(content: tuple[bytes, str]) -> Response:
    return Response(content[0], media_type=content[1])


def _media_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _as_download(name: str) -> dict[str, str]:
    plain = name.encode("ascii", "replace").decode().replace('"', "'").replace("?", "_")
    return {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=utf-8''{quote(name)}"
    }


def _cannot_be_used(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": " ".join(str(error).split())}, 422)


def _is_busy(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 409)


def _cannot_be_written(request: Request, error: Exception) -> Response:
    why = getattr(error, "strerror", None) or type(error).__name__
    return JSONResponse(
        {"error": f"this machine cannot hold it ({why}): make room, and again"}, 507
    )


def _is_not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
