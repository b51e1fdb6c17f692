"""The command `dip-jax studio`: starts the server, opens the browser, and saves what is left."""

import argparse
import importlib.util
import os
import signal
import socket
import tempfile
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from dip_jax.cli import startup
from dip_jax.cli.signals import INTERRUPTED, Stopping
from dip_jax.errors import reason
from dip_jax.files import write_bytes
from dip_jax.report.streams import let_go, tell, tell_error

_NEEDS = ("starlette", "uvicorn")
_PORT = 8760
_DESCRIPTION = """Opens a page in the browser: drop a picture on it, paint what is broken, watch it
heal, and stop when it is good. Everything stays on this machine. One picture is restored at a time.

Ctrl-C stops the server. Results that were not downloaded are then written to the folder of --save;
also the best so far of a fit that is still running."""


class _Parser(argparse.ArgumentParser):
    """Refuses in one line."""

    def error(self, message: str) -> NoReturn:
        tell_error(f"dip-jax studio: {message} (see 'dip-jax studio --help')")
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = _Parser(
        prog="dip-jax studio",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=f"the server's port. Default: {_PORT}, or any free one",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where the server listens. Default: 127.0.0.1, which only this machine can reach. "
        "With another one, whoever can reach it sees your pictures",
    )
    parser.add_argument(
        "--save",
        default=".",
        metavar="DIR",
        help="a folder for results that were not downloaded when the server is stopped. Default: "
        "the current one",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only tell the address, and open no browser"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Runs the command, and gives its exit code.

    Args:
        argv: what follows `dip-jax studio`.
    """
    arguments = make_parser().parse_args(argv)
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        return _refuse(
            f"the studio needs {' and '.join(missing)}: in a checkout say pip install -e "
            "'.[studio]', elsewhere pip install 'dip_jax[studio]'"
        )
    if arguments.port is not None and not 0 <= arguments.port < 2**16:
        return _refuse(f"--port {arguments.port} is none; expected a number from 0 to 65535")
    save = Path(arguments.save)
    try:
        with tempfile.TemporaryFile(dir=save):
            pass  # there is permission
    except OSError as error:
        return _refuse(
            f"nothing can be saved in --save {arguments.save!r} ({reason(error)}); expected a "
            "folder that exists, with permission"
        )
    try:
        listening = _listen(arguments.host, arguments.port)
    except (OSError, UnicodeError) as error:
        return _refuse(
            f"nothing can listen at {arguments.host}, port {arguments.port or _PORT} ({error}); "
            "expected an address of this machine and a free port: choose another --port"
        )
    try:
        return _serve(arguments, listening, save)
    finally:
        let_go()


def _listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens; at any free port, if the usual one is taken and none was asked for."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, _PORT if port is None else port), family=family)
    except OSError:
        if port is not None:
            raise
        return socket.create_server((host, 0), family=family)


def _serve(arguments: argparse.Namespace, listening: socket.socket, save: Path) -> int:
    import uvicorn  # here, because they are of an extra

    from dip_jax.studio.app import Studio
    from dip_jax.studio.guard import LOOPBACK

    startup.keep_compiled_programs()
    studio = Studio(arguments.host)
    config = uvicorn.Config(
        studio.app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/"
    words = "stopping: a fit that goes on ends soon, and what was not downloaded is saved"
    with Stopping(words, "ended at once; nothing was saved") as stopping:
        thread.start()
        while thread.is_alive() and not (server.started or stopping()):
            time.sleep(0.05)
        if arguments.host not in LOOPBACK:
            tell_error(
                f"dip-jax studio: --host {arguments.host}: whoever can reach this address sees "
                "your pictures and can start fits; nothing is encrypted"
            )
        tell(f"the studio is open at {address} (Ctrl-C stops it)")
        if not arguments.no_browser:
            webbrowser.open(address)
        try:
            while thread.is_alive() and not stopping():
                time.sleep(0.1)
            studio.bench.close()
            saved = _saved(studio, save)  # what is finished needs no waiting
            server.should_exit = True
            while (now := studio.bench.now) is not None and not now.wait(0.2):
                pass
            saved &= _saved(studio, save)
            thread.join(10)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            tell_error("ended at once; a fit that went on is lost")
            if _saved(studio, save):
                studio.desk.close()
            else:
                _tell_what_is_kept(studio)
            os._exit(INTERRUPTED)  # a program that is being compiled cannot be ended otherwise
    if not saved:
        _tell_what_is_kept(studio)
        return 1
    studio.desk.close()
    return 0


def _tell_what_is_kept(studio: Any) -> None:
    tell_error(f"dip-jax studio: what could not be saved is kept in {studio.desk.folder}")


def _saved(studio: Any, folder: Path) -> bool:
    """Writes the results that nobody has downloaded, none over a file; whether all were written."""
    done = True
    for work in studio.bench.unsaved():
        source, n = work.result, 1
        path = folder / source.name
        while path.exists():
            n += 1
            path = folder / f"{source.stem}-{n}{source.suffix}"
        try:
            write_bytes(path, source.read_bytes())
        except OSError as error:
            tell_error(f"dip-jax studio: {path} cannot be written ({reason(error)})")
            done = False
            continue
        work.downloaded = True
        tell(f"saved: {path}")
    return done


def _refuse(text: str) -> int:
    tell_error(f"dip-jax studio: {text}")
    return 2
