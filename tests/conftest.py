"""Strict JAX, so that a silent promotion is an error and not a wrong figure; and quick compiles."""

import atexit
import collections
import os
import shutil
import tempfile

# The programs are tiny here: compiling them is what takes the time, and running them takes none. So
# the compiler is to do little. The same ones are compiled by several tests, and by the processes
# that some tests start. Those of fits are the largest, and make a few steps only.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
)
os.environ.setdefault("DIP_JAX_COMPILE_EFFORT", "0")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="dip_jax_tests_")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    os.environ["JAX_PERSISTENT_COMPILATION_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_collection_modifyitems(items):
    """The files with the most slow tests come first: no worker is left with one at the end."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # files stay together
