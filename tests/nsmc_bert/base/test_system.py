"""nsmc_bert.base.system: what this system has, and what one without it gets."""

import os
import subprocess
import sys
import threading

import pytest

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError
from tests.conftest import ROOT


@pytest.fixture(params=["here", "elsewhere"])
def anywhere(request, monkeypatch):
    """This system, and one that has nothing of POSIX."""
    if request.param == "elsewhere":
        monkeypatch.setattr(system, "fcntl", None)
        monkeypatch.setattr(system, "_c_library", lambda: None)
        for name in ("preadv", "pwrite"):
            monkeypatch.delattr(os, name, raising=False)
    return request.param


def test_a_package_that_is_broken_or_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise ImportError('another version was there')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("broken_package", "missing_package"):
        with pytest.raises(UserError, match=rf"found no {name}, expected it to serve: .*'nsmc-bert\[serve\]'"):
            system.check_installed(["os", name], "serve", "to serve")


def test_reads_and_writes_at_offsets(anywhere, tmp_path):
    with open(tmp_path / "file", "w+b", buffering=0) as file:
        writers = [
            threading.Thread(target=system.write_at, args=(file.fileno(), memoryview(bytes([i]) * 1000), 1000 * i))
            for i in range(20)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        whole = bytearray(20_000)
        assert system.read_at(file.fileno(), memoryview(whole), 0) == 20_000
        assert bytes(whole) == b"".join(bytes([i]) * 1000 for i in range(20))
        end = bytearray(b"----")
        assert system.read_at(file.fileno(), memoryview(end), 19_998) == 2
        assert end == bytes([19, 19]) + b"--"


def test_who_has_the_lock(anywhere, tmp_path):
    (tmp_path / "lock").write_text("")
    path = str(tmp_path / "lock")
    script = f"from nsmc_bert.base import system; file = open({path!r}); print(system.lock(file.fileno()))"
    with open(tmp_path / "lock") as file:
        assert system.lock(file.fileno())
        other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True).stdout
        assert other == ("False\n" if anywhere == "here" and system.fcntl else "True\n")
    with open(tmp_path / "lock") as file:
        assert system.lock(file.fileno())


def test_folders_change_places_or_nothing_happens(anywhere, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("")
    done = system.exchange(tmp_path / "one", tmp_path / "other")
    assert done is (tmp_path / "one" / "other").exists()
    assert anywhere == "here" or not done
    system.share_freed_memory()


def test_as_many_files_may_be_open_as_the_user_may_have():
    pytest.importorskip("resource")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)); "
        "from nsmc_bert.base import system; print(system.open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout.split() == ["200", "200", "200"], found.stderr


def test_where_nobody_says_how_many_files_may_be_open(monkeypatch):
    monkeypatch.setattr(system, "resource", None)
    assert system.open_files() is None


def test_the_interpreter_as_one_would_type_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my venv" / "bin" / "python"))
    assert system.interpreter() == f"'{tmp_path}/my venv/bin/python'"
    monkeypatch.chdir(tmp_path)
    assert system.interpreter() == f"'my venv{os.sep}bin{os.sep}python'"
    assert system.install("nsmc-bert[serve]") == f"'my venv{os.sep}bin{os.sep}python' -m pip install 'nsmc-bert[serve]'"
