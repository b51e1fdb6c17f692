"""The settings of the process."""

import os
import subprocess
import sys

import jax
import pytest
from checkout import ROOT

from dip_jax.cli import startup
from dip_jax.lanes import programs


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux")
def test_large_buffers_stay_with_the_process():
    # In a process of its own: the setting cannot be taken back. A buffer of 64 MiB that is freed
    # and taken again is not faulted in a second time.
    program = """
import resource
from dip_jax.cli.startup import keep_freed_memory
if not keep_freed_memory():
    raise SystemExit("not glibc")
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
print(faults() < first / 10)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if "not glibc" in result.stderr:
        pytest.skip("the C library is not glibc")
    assert result.stdout.strip() == "True", result.stderr


def test_compiled_programs_are_kept_where_the_user_says(tmp_path, monkeypatch):
    names = [
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    ]
    settings = {name: jax.config.values[name] for name in names}
    own = str(tmp_path / "own")
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        startup.keep_compiled_programs()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "dip_jax" / "programs")
        assert programs._folder == tmp_path / "dip_jax" / "programs" / "whole"
        jax.config.update("jax_compilation_cache_dir", own)
        startup.keep_compiled_programs()
        assert jax.config.jax_compilation_cache_dir == own
    finally:
        programs.keep_in(None)
        for name, value in settings.items():
            jax.config.update(name, value)


def test_huge_pages_are_asked_for_where_the_system_leaves_it_to_the_program(tmp_path, monkeypatch):
    setting = tmp_path / "enabled"
    monkeypatch.setattr(startup, "_HUGE_PAGES", setting)
    given = {"HOME": "/", "GLIBC_TUNABLES": "glibc.malloc.check=0"}
    assert startup.huge_pages(given) == given  # no such file
    setting.write_text("always [madvise] never\n")
    asked = startup.huge_pages(given)
    assert asked == given | {"GLIBC_TUNABLES": "glibc.malloc.check=0:glibc.malloc.hugetlb=1"}
    assert startup.huge_pages({}) == {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    assert startup.huge_pages(asked) == asked
    setting.write_text("[always] madvise never\n")
    assert startup.huge_pages(given) == given


PROGRAM = """
import os, sys
from pathlib import Path
from dip_jax.cli import startup
startup._HUGE_PAGES = Path(sys.argv[1])
tunables = os.environ.get("GLIBC_TUNABLES") if "--keep" in sys.argv else None
print(os.getpid(), [os.fsencode(a) for a in sys.argv[2:]], tunables, flush=True)
if "--keep" not in sys.argv:
    os.environ.pop("GLIBC_TUNABLES", None)
if "--traced" in sys.argv:
    sys.settrace(lambda *_: None)
startup.restart_with_huge_pages()
print("here")
sys.exit(7)
"""


@pytest.fixture
def started(tmp_path):
    """Runs `PROGRAM` where the system leaves huge pages to the program; gives its lines."""
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never\n")
    for name in ("dip-jax", "host.py"):
        (tmp_path / name).write_text(PROGRAM)
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    environment["PYTHONPATH"] = str(ROOT)

    def start(*arguments, options=(), program="dip-jax"):
        done = subprocess.run(
            [sys.executable, *options, program, setting, *arguments],
            input=PROGRAM.encode(),
            cwd=tmp_path,
            capture_output=True,
            env=environment,
        )
        assert done.returncode == 7, done.stderr
        return [os.fsdecode(line) for line in done.stdout.splitlines()]

    return start


def test_a_command_starts_anew_once_and_with_its_arguments(started):
    options = ["-X", "utf8", "-W", "ignore"]
    first, second, here = started("--keep", "a b", b"\xff.png", options=options)
    arguments = str([b"--keep", b"a b", b"\xff.png"])
    assert first.endswith(f"{arguments} None") and here == "here"
    assert second == first.removesuffix("None") + "glibc.malloc.hugetlb=1"


def test_a_command_that_loses_the_tunable_does_not_start_anew_for_ever(started):
    first, second, here = started("lost")
    assert first == second and here == "here"


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("-", []), ("/dev/stdin", []), ("host.py", []), ("dip-jax", ["--traced"])],
)
def test_what_is_not_the_command_alone_goes_on(started, program, arguments):
    lines = started(*arguments, program=program)
    assert len(lines) == 2 and lines[1] == "here"


def test_a_module_that_is_a_command_starts_anew(tmp_path):
    """`python -m dip_jax.main` itself, where this system leaves huge pages to the program."""
    if "[madvise]" not in startup._HUGE_PAGES.read_text():
        pytest.skip("this system gives huge pages to all, or to none")
    traced = tmp_path / "sitecustomize.py"
    traced.write_text("import os\nprint('tunables', os.environ.get('GLIBC_TUNABLES'), flush=True)")
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-m", "dip_jax.main", "--config=missing.py"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.splitlines()[:2] == ["tunables None", "tunables glibc.malloc.hugetlb=1"]
