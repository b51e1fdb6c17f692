"""The settings of the process."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from dip_jax import startup


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux")
def test_large_buffers_stay_with_the_process():
    # In a process of its own: the setting cannot be taken back. A buffer of 64 MiB that is freed
    # and taken again is not faulted in a second time.
    program = """
import resource
from dip_jax.startup import keep_freed_memory
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
    before = jax.config.jax_compilation_cache_dir
    try:
        monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        startup.keep_compiled_programs()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "dip_jax" / "programs")
        jax.config.update("jax_compilation_cache_dir", before)
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "own"))
        startup.keep_compiled_programs()
        assert jax.config.jax_compilation_cache_dir == before
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


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


def test_a_command_starts_anew_once_and_with_its_arguments(tmp_path):
    setting, program = tmp_path / "enabled", tmp_path / "program.py"
    setting.write_text("always [madvise] never\n")
    program.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom dip_jax import startup\n"
        "startup._HUGE_PAGES = Path(sys.argv[1])\n"
        "print(os.getpid(), sys.argv[2:], os.environ.get('GLIBC_TUNABLES'), flush=True)\n"
        "startup.restart_with_huge_pages()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, program, setting, "--a b", "c"],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": str(Path(startup.__file__).parents[1])},
    )
    first, second = done.stdout.splitlines()
    assert first.endswith("['--a b', 'c'] None")
    assert second == first.replace("None", "glibc.malloc.hugetlb=1")
