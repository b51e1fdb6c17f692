"""Programs that are kept on disk."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from dip_jax.forward.observation import observe
from dip_jax.lanes import programs
from dip_jax.lanes.seeds import restore
from dip_jax.settings import build, tasks


@pytest.fixture
def folder(tmp_path):
    own = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "jax"))  # else a fit chooses
    programs.keep_in(tmp_path)
    programs.forget_shared()
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", own)
    programs.keep_in(None)
    programs.forget_shared()


@pytest.mark.parametrize(
    ("flags", "effort", "lasting", "level"),
    [
        ("", "", False, 1),
        ("", "", True, None),
        ("--xla_backend_optimization_level=2", "", False, None),
        ("", "0", False, 0),
        ("", "0", True, 0),
    ],
)
def test_what_runs_briefly_is_compiled_with_less_effort_unless_a_person_says_how_much(
    monkeypatch, flags, effort, lasting, level
):
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setenv("DIP_JAX_COMPILE_EFFORT", effort)
    found = programs.compiler_options(lasting=lasting)
    assert found.get("xla_backend_optimization_level") == level
    assert found["xla_cpu_use_fusion_emitters"] is False


class Traced:
    """A jitted function that counts how often it is traced."""

    def __init__(self) -> None:
        self.count = 0
        self.function = jax.jit(self._compute)

    def _compute(self, tree):
        self.count += 1
        key = jax.random.split(tree["key"])[0]
        return {"key": key, "x": jnp.cumsum(tree["x"]) + jax.random.uniform(key, tree["x"].shape)}


def arguments(n: int = 4):
    return {"key": jax.random.key(1), "x": jnp.arange(n, dtype=jnp.float32)}


def room_for_two(folder: Path) -> int:
    """Bytes, where there is one program."""
    (path,) = files(folder)
    return 5 * path.stat().st_size // 2


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.program"))


def test_a_kept_program_is_not_traced_again_and_computes_the_same(folder):
    first, again = Traced(), Traced()
    expected = programs.kept(first.function, "sums")(arguments())
    found = programs.kept(again.function, "sums")(arguments())
    assert (first.count, again.count) == (1, 0)
    assert (found["x"] == expected["x"]).all()
    assert (jax.random.key_data(found["key"]) == jax.random.key_data(expected["key"])).all()


def test_threads_that_want_the_same_program_compile_it_once(folder):
    function, found = Traced(), []
    kept = programs.kept(function.function, "sums")
    threads = [threading.Thread(target=lambda: found.append(kept(arguments()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert function.count == 1 and len(found) == 3
    assert all((one["x"] == found[0]["x"]).all() for one in found)


@pytest.mark.parametrize("n, traced", [(4, 0), (5, 1)])
def test_what_is_expected_is_loaded_before_it_is_called(folder, monkeypatch, n, traced):
    programs.kept(Traced().function, "sums")(arguments())
    programs.expect("sums")
    programs.expect("never seen")
    assert not programs._expected
    programs.expect("sums")
    (loading,) = programs._expected.values()
    loading.join()
    monkeypatch.setattr(programs, "_loaded", lambda *_: None)  # from now on nothing can be read
    again = Traced()
    found = programs.kept(again.function, "sums")(arguments(n))
    assert again.count == traced and found["x"].shape == (n,)


@pytest.mark.parametrize("damaged", [b"", b"torn", b"\xff\xfe"])
def test_a_damaged_note_of_the_latest_program_is_written_anew(folder, damaged):
    programs.kept(Traced().function, "sums")(arguments())
    (path,) = folder.glob("*.latest")
    whole = path.read_bytes()
    path.write_bytes(damaged)
    programs.expect("sums")
    assert not programs._expected
    again = Traced()
    programs.kept(again.function, "sums")(arguments())
    assert again.count == 0 and path.read_bytes() == whole


def test_what_is_used_stays_and_what_a_killed_process_left_goes(folder, monkeypatch):
    for age, label in ((300, "a"), (200, "b")):
        programs.kept(Traced().function, label)(arguments())
        if label == "a":
            monkeypatch.setattr(programs, "_MOST", room_for_two(folder))
        for path in folder.iterdir():
            past = path.stat().st_mtime - age
            os.utime(path, (past, past))
    for name, age in ((".tmp-old", 2), (".tmp-new", 0)):
        (folder / name).write_bytes(b"half")
        past = (folder / name).stat().st_mtime - age * 24 * 3600
        os.utime(folder / name, (past, past))
    before = {path: path.stat().st_mtime for path in folder.glob("*.latest")}
    programs.kept(Traced().function, "a")(arguments())
    assert [path.stat().st_mtime > before[path] for path in before].count(True) == 1
    programs.kept(Traced().function, "c")(arguments())
    assert {p.name for p in folder.glob(".tmp-*")} == {".tmp-new"}
    for label in ("a", "c"):
        programs.expect(label)
        assert label in programs._expected
    programs.expect("b")
    assert not programs._expected


def test_a_second_fit_loads_its_step_beforehand_and_compiles_nothing(folder, monkeypatch):
    config = tasks.defaults("denoise")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    observation, _ = observe(np.full((8, 12, 3), 0.5, np.float32))

    def fitted():
        (result,) = restore(
            observation,
            settings=build.fit_settings(config),
            criterion=build.criterion(config),
            num_steps=4,
        )
        assert not programs._expected
        return result.x

    first = fitted()
    assert len(files(folder)) >= 2  # the step, and the state before it
    early = []
    result = programs._Loading.result
    monkeypatch.setattr(
        programs._Loading, "result", lambda self: early.append(self.path) or result(self)
    )
    monkeypatch.setattr(programs._Kept, "_compiled", None)
    np.testing.assert_array_equal(fitted(), first)
    assert not early  # in the same process the programs are still there
    programs.forget_shared()
    np.testing.assert_array_equal(fitted(), first)
    assert len(early) == 1


@pytest.mark.parametrize("label, n", [("others", 4), ("sums", 5)])
def test_another_label_or_shape_is_another_program(folder, label, n):
    first, other = Traced(), Traced()
    programs.kept(first.function, "sums")(arguments())
    programs.kept(other.function, label)(arguments(n))
    assert other.count == 1 and len(files(folder)) == 2


def test_another_source_is_another_program(folder, monkeypatch):
    programs.kept(Traced().function, "sums")(arguments())
    monkeypatch.setattr(programs, "_surroundings", lambda: ("changed",))
    changed = Traced()
    programs.kept(changed.function, "sums")(arguments())
    assert changed.count == 1 and len(files(folder)) == 2


@pytest.mark.parametrize("left", [0, 20, 1000])
def test_a_torn_file_is_compiled_anew_and_replaced(folder, left):
    programs.kept(Traced().function, "sums")(arguments())
    (path,) = files(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    again, third = Traced(), Traced()
    programs.kept(again.function, "sums")(arguments())
    programs.kept(third.function, "sums")(arguments())
    assert (again.count, third.count) == (1, 0)


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path, folder):
    (tmp_path / "file").write_text("")
    programs.keep_in(tmp_path / "file" / "inside")
    assert programs.kept(Traced().function, "sums")(arguments())["x"].shape == (4,)


def test_only_the_latest_files_stay(folder, monkeypatch):
    programs.kept(Traced().function, "a")(arguments())
    monkeypatch.setattr(programs, "_MOST", room_for_two(folder))
    for label in ("b", "c"):
        programs.kept(Traced().function, label)(arguments())
    assert len(files(folder)) == 2
    latest = Traced()
    programs.kept(latest.function, "c")(arguments())
    assert latest.count == 0


def test_without_a_folder_or_a_label_the_function_itself_is_used(folder):
    function = Traced().function
    assert programs.kept(function, "") is function
    programs.keep_in(None)
    assert programs.kept(function, "sums") is function


@pytest.mark.thorough
@pytest.mark.slow
def test_a_kept_program_runs_where_there_are_more_devices_than_it_uses(tmp_path):
    program = """
import sys
import jax
from dip_jax.lanes import programs

programs.keep_in(sys.argv[1])
for device in jax.devices()[::-1]:
    x = jax.device_put(jax.numpy.ones(3), device)
    y = programs.kept(jax.jit(lambda x: 2 * x), "twice")(x)
    assert y.devices() == {device}
    print(y.tolist())
"""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "whole")],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.stdout.split("\n")[:2] == ["[2.0, 2.0, 2.0]"] * 2, result.stderr
        assert len(files(tmp_path / "whole")) == 2


@pytest.mark.thorough
@pytest.mark.slow
def test_what_jax_has_in_its_own_cache_is_kept_whole(tmp_path):
    """In a process of its own, because the quick compiles of the tests do not show it."""
    program = """
import sys
import jax
from dip_jax.lanes import programs

def drawn(key):
    return [jax.random.uniform(k, (3, 3, 4, 4)) for k in jax.random.split(key, 3)]

key = jax.random.key(0)
expected = jax.jit(lambda k: drawn(k))(key)
jax.clear_caches()
programs.keep_in(sys.argv[1])
programs.kept(jax.jit(lambda k: drawn(k)), "drawn")(key)
found = programs.kept(None, "drawn")(key)
print(all((a == b).all() for a, b in zip(found, expected)))
"""
    environment = {
        **os.environ,
        "XLA_FLAGS": "",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "whole")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "True", result.stderr


def test_an_edit_in_any_folder_of_the_package_makes_other_programs(tmp_path):
    """A copy of the package: each module alone, however deep, has a say in the digest."""
    package = tmp_path / "dip_jax"
    shutil.copytree(Path(dip_jax.__file__).parent, package)
    (package / "deep" / "deeper").mkdir(parents=True)
    (package / "deep" / "deeper" / "leaf.py").write_text("x = 1\n")
    before = programs.source_digest(package)
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        path.write_bytes(content + b"# edited\n")
        assert programs.source_digest(package) != before, path
        path.write_bytes(content)
    assert programs.source_digest(package) == before
    (package / "deep" / "deeper" / "leaf.py").rename(package / "deep" / "leaf.py")
    assert programs.source_digest(package) != before


def test_a_kept_program_is_thrown_away_when_the_source_changes(folder, monkeypatch):
    programs.kept(Traced().function, "sums")(arguments())
    monkeypatch.setattr(programs, "source_digest", lambda package: "of an edited package")
    programs._surroundings.cache_clear()
    try:
        again = Traced()
        programs.kept(again.function, "sums")(arguments())
        assert again.count == 1
    finally:
        monkeypatch.undo()
        programs._surroundings.cache_clear()


def test_what_is_shared_is_made_once_in_a_process_and_not_without_a_label():
    made = []

    def make():
        made.append(len(made))
        return made[-1] + 10

    programs.forget_shared()
    assert [programs.shared("a", make) for _ in range(3)] == [10, 10, 10]
    assert programs.is_shared("a") and not programs.is_shared("b")
    assert [programs.shared("", make) for _ in range(2)] == [11, 12]
    with jax.numpy_rank_promotion("allow"):  # another setting of JAX, another program
        assert programs.shared("a", make) == 13
    for label in map(str, range(programs._MOST_SHARED)):
        programs.shared(label, make)
    assert not programs.is_shared("a")


def test_a_second_fit_of_a_process_compiles_nothing():
    config = tasks.defaults("reconstruct")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    y = np.random.default_rng(0).random((16, 12, 3), dtype=np.float32)

    def fitted(seed):
        how = dict(settings=build.fit_settings(config), criterion=build.criterion(config))
        return restore(observe(y)[0], seeds=[seed], num_steps=3, **how)[0].x

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if "compile" in event else None
    )
    first = fitted(0)
    assert compiled
    compiled.clear()
    again, other = fitted(0), fitted(1)
    assert not compiled
    np.testing.assert_array_equal(again, first)
    assert (other != first).any()
