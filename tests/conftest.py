"""Strict JAX, so that a silent promotion is an error and not a wrong figure; and quick compiles."""

import atexit
import collections
import gc
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

# The programs are tiny here: compiling them is what takes the time, and running them takes none. So
# the compiler is to do nothing that it need not. The same ones are needed by several tests, and by
# the processes that some tests start: all keep theirs in one folder.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=1"
    # Later ones end a process that asks for what they do not know.
    + " --xla_cpu_use_fusion_emitters=false" * metadata.version("jaxlib").startswith("0.10.")
    + " --xla_cpu_parallel_codegen_split_count=1",  # both cores are busy as it is
)
os.environ.setdefault("DIP_JAX_COMPILE_EFFORT", "0")
# Nor is tracing to note where each operation comes from.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
if "PYTEST_XDIST_WORKER" not in os.environ:  # the workers have it from the process that starts them
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(caches, "matplotlib"))  # the list of fonts
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dip_jax_tests_")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

import jax
from browsing import browser  # noqa: F401 (a fixture)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
gc.set_threshold(200_000, 50, 100)  # tracing makes many small objects, of which few are garbage

# Where a program runs once or twice, nothing that the compiler does to it pays.
_RUN_ONCE = (
    "api/test_api.py",
    "api/test_measured.py",
    "docs",
    "finish/test_composite.py",
    "finish/test_consistency.py",
    "finish/test_nonlocal_bayes.py",
    "finish/test_smooth_filling.py",
    "finish/test_wiener.py",
    "fit",
    "forward",
    "networks",
)


@pytest.fixture(autouse=True, scope="module")
def _as_it_stands(request):
    here = Path(__file__).parent
    only_once = any(request.path.is_relative_to(here / name) for name in _RUN_ONCE)
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", only_once or before)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.hookimpl(trylast=True)  # of those that are run
def pytest_collection_modifyitems(items):
    """The files with the most slow tests come first: no worker is left with one at the end."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # files stay together
