"""Generated sources on disk: written once, compiled once, found again, trimmed without harm."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import kernels
from kernels.language import Handle, SourceFolder, specialise, template

ROOT = Path(__file__).parents[2]
WHOLE = [".nbc", ".nbi", ".py"]


@template("void(T[::1], T[::1])")
def callee(p, a, out):
    for i in range(out.size):
        out[i] = a[i] * p.factor


@template("void(T[::1], T[::1])")
def caller(p, a, out):
    callee(p, a, out)
    for i in range(p.extra):
        out[i] += 1


@template("void(T[::1], T[::1])", pointers=("callee",))
def pointed(p, a, out):
    callee(p, a, out)


def source(made=caller, factor=3, extra=0):
    return specialise(made, {"factor": factor, "extra": extra}, "float64")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, and a process that has loaded nothing yet."""
    for name in [name for name in sys.modules if name.startswith("evolve_generated.")]:
        monkeypatch.delitem(sys.modules, name)
    return SourceFolder(tmp_path / "sources")


def stamps(folder):
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in folder.path.glob("*.py")}


def result(compiled):
    out = np.zeros(4)
    compiled.function(np.arange(4.0), out, *compiled.pointers)
    return out.tolist()


IN_ANOTHER_PROCESS = """
import json, pickle, sys
from pathlib import Path
from kernels.language import SourceFolder
folder = SourceFolder(Path(sys.argv[1]))
found = {}
for handle in pickle.loads(bytes.fromhex(sys.argv[2])):
    function = folder.load(handle).function
    found[handle.key] = [sum(function.stats.cache_hits.values()), sum(function.stats.cache_misses.values())]
print(json.dumps(found))
"""


def another_process(folder, *handles):
    """Starts a process that loads the handles; it prints cache hits and misses of each."""
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(folder.path), pickle.dumps(handles).hex()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, cwd=folder.path)


def stats(process):
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    return json.loads(text)


def test_a_source_is_written_once_under_the_name_of_its_text(folder):
    handle = folder.write(source())
    before = stamps(folder)
    assert set(before) == {f"k{source().key}.py", f"k{source().callees[0].key}.py"}
    assert folder.write(source()) == handle
    assert stamps(folder) == before
    assert (folder.path / f"k{handle.key}.py").read_text() == source().text
    assert SourceFolder(folder.path).write(source(extra=1)) != handle
    assert {name: stamp for name, stamp in stamps(folder).items() if name in before} == before


def test_schedules_share_the_compiled_code_of_what_they_have_in_common(folder):
    sources = [source(extra=extra) for extra in (0, 1, 2)]
    shared = sources[0].callees[0]
    for one in sources:
        folder.load(folder.write(one))
    function = folder.load(Handle.of(shared)).function
    assert sum(function.stats.cache_misses.values()) == 1
    assert len(list((folder.path / "__pycache__").rglob(f"k{shared.key}*.nbc"))) == 1
    assert len(list(folder.path.glob("*.py"))) == 4


def test_another_process_takes_the_compiled_code_from_disk(folder):
    handles = [folder.write(source()), folder.write(source(pointed))]
    assert result(folder.load(handles[0])) == [0, 3, 6, 9]
    assert result(folder.load(handles[1])) == [0, 3, 6, 9]
    found = stats(another_process(folder, *handles, Handle.of(source().callees[0])))
    assert len(found) == 3
    assert all(counts == [1, 0] for counts in found.values())


def test_several_processes_write_and_compile_the_same_at_once(folder):
    sources = [source(factor=factor) for factor in range(20)]
    threads = [
        threading.Thread(target=lambda: [SourceFolder(folder.path).write(one) for one in sources]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {file.name for file in folder.path.iterdir()} == {f"{m}.py" for s in sources for m in modules(s)}
    handle = Handle.of(sources[5])
    processes = [another_process(folder, handle) for _ in range(2)]
    assert all(sum(stats(process)[handle.key]) == 1 for process in processes)
    assert result(folder.load(handle)) == [0, 5, 10, 15]


def modules(one):
    return [needed.module for needed in one.closure().values()]


def test_a_file_written_this_very_moment_is_found(folder):
    for factor in range(100, 110):
        assert result(folder.load(folder.write(source(callee, factor)))) == [0, factor, 2 * factor, 3 * factor]


def test_a_write_that_fails_leaves_nothing(folder, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        folder.write(source())
    assert list(folder.path.iterdir()) == []


def test_what_was_never_written_is_an_import_error(folder):
    with pytest.raises(ImportError, match="k123"):
        folder.load(Handle("caller", "123"))


# ---- a process that may not write into the folder


@pytest.fixture
def scratch(tmp_path):
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def found_in(place):
    return {file.name.partition(".")[0] for file in place.rglob("*.nb[ci]")}


def forget(monkeypatch):
    """As in a process that has loaded nothing yet."""
    for name in [name for name in sys.modules if name.startswith("evolve_generated.")]:
        monkeypatch.delitem(sys.modules, name)


def test_what_is_compiled_goes_into_the_scratch_folder(folder, scratch):
    own = SourceFolder(folder.path, scratch)
    assert result(own.load(own.write(source()))) == [0, 3, 6, 9]
    assert found_in(scratch) == set(modules(source()))
    assert not found_in(folder.path)


def test_what_is_there_already_is_taken_and_not_made_again(folder, scratch, monkeypatch):
    handle = folder.write(source())
    folder.load(handle)
    forget(monkeypatch)
    loaded = SourceFolder(folder.path, scratch).load(handle)
    assert sum(loaded.function.stats.cache_hits.values()) == 1
    assert result(loaded) == [0, 3, 6, 9]
    assert list(scratch.iterdir()) == []


def test_adopting_takes_what_belongs_to_a_source_and_nothing_else(folder, scratch, monkeypatch):
    own = SourceFolder(folder.path, scratch)
    wanted, other = own.write(source()), own.write(source(callee, 8))
    own.load(wanted)
    own.load(other)
    (scratch / "note").write_text("mine")
    folder.adopt(scratch, [wanted])
    assert found_in(folder.path) == set(modules(source()))
    assert list(scratch.iterdir()) == []
    forget(monkeypatch)
    assert sum(folder.load(wanted).function.stats.cache_hits.values()) == 1


def test_adopting_changes_nothing_that_is_there_and_follows_no_link(folder, scratch):
    handle = folder.write(source(callee))
    folder.load(handle)
    before = {file: file.read_bytes() for file in folder.path.rglob("*.nb[ci]")}
    place = scratch / next(iter(before)).parent.name
    place.mkdir()
    for file in before:
        (place / file.name).write_bytes(b"forged")
    (place / f"k{handle.key}.other-1.py311.nbi").symlink_to("/etc/passwd")
    folder.adopt(scratch, [handle])
    assert {file: file.read_bytes() for file in folder.path.rglob("*.nb[ci]")} == before
    assert list(scratch.iterdir()) == []


def test_pointers_and_callees_are_adopted_with_a_source(folder, scratch):
    own = SourceFolder(folder.path, scratch)
    handles = [own.write(source(pointed)), own.write(source())]
    for handle in handles:
        own.load(handle)
    folder.adopt(scratch, handles)
    assert found_in(folder.path) == {*modules(source(pointed)), *modules(source())}


# ---- trimming


def age(folder, one, hours):
    """Have a source be wanted some hours ago, and not since."""
    for file in folder.path.rglob(f"{one.module}.*"):
        then = time.time() - 3600 * hours
        os.utime(file, (then, file.stat().st_mtime))


def files_of(folder, one):
    """Kinds of a source's files, byte code aside: not every interpreter writes it."""
    return sorted({file.suffix for file in folder.path.rglob(f"{one.module}.*")} - {".pyc"})


@pytest.fixture
def three(folder):
    """Three compiled sources, wanted 5, 4 and 3 hours ago."""
    sources = [source(callee, factor) for factor in (1, 2, 3)]
    for one, hours in zip(sources, (5, 4, 3), strict=True):
        folder.load(folder.write(one))
        age(folder, one, hours)
    return sources


def test_trimming_removes_the_least_recently_wanted_with_its_compiled_code(folder, three):
    assert [files_of(folder, one) for one in three] == [WHOLE] * 3
    before = folder.size_bytes()
    freed = folder.trim(before - 1)
    assert [files_of(folder, one) for one in three] == [[], WHOLE, WHOLE]
    assert folder.size_bytes() == before - freed
    assert 0 < freed < before / 2


def test_abandoned_scratch_folders_go_and_others_stay(folder):
    old, new = (folder.path / f"child-{name}" for name in ("old", "new"))
    for scratch, days in ((old, 2), (new, 0)):
        scratch.mkdir()
        (scratch / "left").write_text("over")
        os.utime(scratch, (time.time() - days * 86400,) * 2)
    folder.trim(1 << 30)
    assert (old.exists(), new.exists()) == (False, True)


def test_what_was_wanted_again_is_kept(folder, three):
    folder.write(three[0])
    folder.trim(folder.size_bytes() - 1)
    assert [files_of(folder, one) for one in three] == [WHOLE, [], WHOLE]


def test_what_is_in_use_is_kept_whatever_the_limit(folder, three):
    folder.write(three[1])
    folder.trim(0)
    assert [files_of(folder, one) for one in three] == [[], WHOLE, []]


def test_a_folder_within_its_limit_is_left_alone(folder, three):
    assert folder.trim(folder.size_bytes()) == 0
    assert [files_of(folder, one) for one in three] == [WHOLE] * 3


def test_a_caller_that_has_outlived_its_callee_is_whole_again_once_it_is_wanted(folder):
    one = source(factor=7)
    folder.load(folder.write(one))
    age(folder, one.callees[0], 2)
    folder.trim(folder.size_bytes() - 1)
    assert files_of(folder, one.callees[0]) == []
    assert files_of(folder, one) == WHOLE
    handle = folder.write(one)
    assert stats(another_process(folder, handle)) == {handle.key: [1, 0]}


def test_what_is_missing_of_a_module_is_made_anew(folder):
    sources = [source(callee, factor) for factor, _ in enumerate(WHOLE)]
    for one in sources:
        folder.load(folder.write(one))
    for one, suffix in zip(sources, WHOLE, strict=True):
        (lost,) = [file for file in folder.path.rglob(f"{one.module}.*") if file.suffix == suffix]
        lost.unlink()
    handles = [folder.write(one) for one in sources]
    stats(another_process(folder, *handles))
    assert [files_of(folder, one) for one in sources] == [WHOLE] * 3
    assert stats(another_process(folder, *handles)) == {handle.key: [1, 0] for handle in handles}


def test_orphans_and_torn_writes_are_trimmed_too(folder, three):
    left = folder.path / "tmpabc.tmp"
    left.write_text("half a source")
    (folder.path / f"{three[2].module}.py").unlink()
    for file in [left, *folder.path.rglob(f"{three[2].module}.*")]:
        os.utime(file, (0, 0))
    folder.trim(folder.size_bytes() - 1000)
    assert not left.exists()
    assert files_of(folder, three[2]) == []


# ---- kernels in files of their own


def test_a_kernel_is_found_by_its_file():
    path = ROOT / "kernels" / "triad.py"
    kernel = kernels.get(os.path.relpath(path))
    assert kernel.name == "triad"
    assert kernels.get(str(path)) is kernel
    assert kernel is not kernels.get("triad"), "a file is a module of its own"


@pytest.mark.parametrize(("text", "reason"), [(None, "no kernel file"), ("KERNEL = 3", "does not end in KERNEL")])
def test_a_file_that_is_no_kernel_is_refused(tmp_path, text, reason):
    path = tmp_path / "mine.py"
    if text:
        path.write_text(text)
    with pytest.raises(KeyError, match=reason):
        kernels.get(str(path))
