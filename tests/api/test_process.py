"""What a process has set of JAX changes no result, and a second fit compiles nothing."""

import os
import select
import subprocess
import sys
import threading
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checkout import ROOT

import dip_jax
from dip_jax.lanes import disk, programs

TINY = {
    "network.scales": 1,
    "network.down": (4,),
    "network.up": (4,),
    "network.skip": (4,),
    "network.upsampling": ("nearest",),
    "input.kind": "noise",
    "input.depth": 4,
    "log_every": 2,
}


def picture(seed=0):
    waves = 0.5 + 0.3 * np.sin(np.indices((34, 32)).sum(axis=0) / 4)
    noise = np.random.default_rng(seed).normal(0, 0.1, (34, 32, 3))
    return np.clip(waves[..., None] + noise, 0, 1).astype(np.float32)


def mask(seed=0):
    return np.random.default_rng(seed).random((34, 32)) < 0.2


def fitted(seed=0, rng=0, num_steps=3, **how):
    return dip_jax.denoise(picture(seed), rng=rng, num_steps=num_steps, options=TINY, **how)


@pytest.fixture(scope="module")
def first():
    """The result of a first fit, and its seconds."""
    programs.forget_shared()
    jax.clear_caches()
    begin = time.perf_counter()
    return fitted(), time.perf_counter() - begin


@pytest.fixture(scope="module")
def plain(first):
    return first[0]


@pytest.fixture
def compiled():
    """The programs that are compiled, or taken from the disk."""
    seen = []

    def listen(event, seconds, **_):
        if "backend_compile" in event:
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


SETTINGS = {
    "double precision": ("jax_enable_x64", True),
    "NaN are errors": ("jax_debug_nans", True),
    "nothing compiled": ("jax_disable_jit", True),
    "exact products": ("jax_default_matmul_precision", "highest"),
    "other random numbers": ("jax_default_prng_impl", "rbg"),
    "the old random numbers": ("jax_threefry_partitionable", False),
    "no transfers": ("jax_transfer_guard", "disallow"),
    "the first device": ("jax_default_device", "cpu"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SETTINGS)
def test_what_the_process_has_set_of_jax_changes_nothing_and_stays(name, plain, compiled):
    setting, value = SETTINGS[name]
    before, seen = jax.config.values[setting], []
    jax.config.update(setting, value)
    try:
        after = fitted(callback=lambda step: seen.append(jax.config.values[setting]))
        assert jax.config.values[setting] == value
    finally:
        jax.config.update(setting, before)
    np.testing.assert_array_equal(after, plain)
    assert seen and set(seen) == {value}  # a callback is the user's own
    assert not compiled


@pytest.mark.thorough
def test_a_callback_may_use_jax_and_fit_in_double_precision(plain):
    inner = []

    def look(step):
        inner.append((jnp.zeros(1).dtype, step.preview.dtype))
        if len(inner) == 1:
            np.testing.assert_array_equal(fitted(), plain)

    with jax.enable_x64(True):
        np.testing.assert_array_equal(fitted(callback=look), plain)
        assert jnp.zeros(1).dtype == np.float64
    assert set(inner) == {(np.dtype(np.float64), np.dtype(np.float32))}


def test_progress_that_cannot_be_shown_costs_nothing(plain, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # as Python has it where it was closed
    np.testing.assert_array_equal(fitted(progress=True), plain)


def test_two_threads_get_what_they_get_in_turn(plain):
    expected = {0: plain, 1: fitted(rng=1)}
    programs.forget_shared()  # so that both want to make them
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.__setitem__(n, fitted(rng=n))) for n in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in (0, 1):
        np.testing.assert_array_equal(found[n], expected[n])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_is_told_so_at_once(plain):
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX's own, which only says that it may hang
        child = os.fork()
    if not child:
        words = "it was fitted"
        try:
            fitted()
        except BaseException as error:
            words = f"{type(error).__name__}: {error}"
        os.write(writing, words.encode())
        os._exit(0)
    try:
        assert select.select([reading], [], [], 60)[0], "it hangs"
        words = os.read(reading, 1000).decode()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    assert words.startswith("InputError: this process was forked after JAX had been used")
    assert "spawn" in words


def test_a_second_fit_compiles_nothing_whatever_the_picture_seed_or_steps(first, compiled):
    jax.jit(lambda x: x + 1)(jnp.zeros(7))
    assert compiled  # they are counted
    compiled.clear()
    begin = time.perf_counter()
    fitted(seed=1, rng=5, num_steps=4)
    again = time.perf_counter() - begin
    assert not compiled
    assert again < first[1] / 5


@pytest.mark.thorough
@pytest.mark.slow
def test_a_second_filling_compiles_nothing_whatever_the_mask(compiled):
    for seed in (0, 1):
        compiled.clear()
        dip_jax.inpaint(picture(seed), mask(seed), rng=seed, num_steps=3 + seed, options=TINY)
    assert not compiled


_TWICE = """
import sys
import jax, numpy as np
sys.path.insert(0, "tests/api")
from test_process import fitted
seen = {}
jax.monitoring.register_event_listener(lambda e, **_: seen.__setitem__(e, seen.get(e, 0) + 1))
x = fitted()
names = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs")
print(seen.get("/jax/compilation_cache/cache_misses", 0), x.tobytes().hex()[:64])
print([jax.config.values["jax_" + name] for name in names])
"""


@pytest.mark.thorough
@pytest.mark.slow
def test_a_second_process_finds_its_programs_and_the_settings_are_left_alone(tmp_path):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("JAX_COMPILATION_CACHE_DIR",) and "PERSISTENT" not in name
    }
    environment = kept | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT}/tests"}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _TWICE],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        (misses, picture), settings = done.stdout.split("\n")[0].split(), done.stdout.split("\n")[1]
        assert settings == "[None, 1.0]"
        said.append((int(misses), picture))
        # The step, the state before it, and the SSIMs.
        assert len(list(tmp_path.rglob("*.program"))) == 3
    assert said[0][0] > 10 and said[1][0] == 0
    assert said[0][1] == said[1][1]


def test_nothing_is_kept_where_the_user_says_where_or_that_nothing_is_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before, own = jax.config.values["jax_compilation_cache_dir"], str(tmp_path / "own")
    jax.config.update("jax_compilation_cache_dir", own)
    with disk.programs_kept():
        assert jax.config.values["jax_compilation_cache_dir"] == own and not programs._folder
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_enable_compilation_cache", False)
        with disk.programs_kept():
            assert jax.config.values["jax_compilation_cache_dir"] is None and not programs._folder
        jax.config.update("jax_enable_compilation_cache", True)
        (tmp_path / "dip_jax").write_text("in the way")
        with disk.programs_kept():
            assert jax.config.values["jax_compilation_cache_dir"] is None and not programs._folder
        (tmp_path / "dip_jax").unlink()
        with disk.programs_kept(), disk.programs_kept():
            assert programs._folder == tmp_path / "dip_jax" / "programs" / "whole"
            jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
        assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path / "mine")
        assert programs._folder is None
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        jax.config.update("jax_compilation_cache_dir", before)
        disk.compilation_cache.reset_cache()
