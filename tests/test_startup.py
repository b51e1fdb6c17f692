"""The settings of the process."""

import subprocess
import sys

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
