"""A stream that fails takes the words with it, and nothing else."""

import errno
import io
import os
import sys

import pytest
from rich.console import Console

from dip_jax.report import streams
from dip_jax.report.progress import PlainProgress, RichProgress, make_progress
from dip_jax.report.streams import Unfailing


class Full(io.StringIO):
    """As on a disk without space."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Gone(io.StringIO):
    """As a pipe that nobody reads any more."""

    def flush(self):
        raise BrokenPipeError


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {"none": lambda: None, "full": Full, "gone": Gone, "closed": closed}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("form", ["lines", "bar"])
def test_a_run_goes_on_whatever_becomes_of_its_stream(name, form, monkeypatch):
    monkeypatch.setattr(sys, "stderr", STREAMS[name]())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", STREAMS[name]())
        streams.tell("the last words")
    if form == "lines":
        progress = PlainProgress("test") if name == "full" else make_progress("test")
    else:
        progress = RichProgress("test", Console(file=Unfailing(sys.stderr), force_terminal=True))
    with progress:
        progress.start(10)
        progress.update(5, {"psnr_heldout_avg": 20.0})
        progress.message("still here")
        progress.update(10, {})
    streams.tell_error("the end")


def test_letters_that_an_encoding_lacks_become_escapes():
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    print("σ 25, bö\udcff", file=Unfailing(ascii_only), flush=True)
    assert raw.getvalue() == b"\\u03c3 25, b\\xf6\\udcff\n"
