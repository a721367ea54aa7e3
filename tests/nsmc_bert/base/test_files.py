"""nsmc_bert.base.files: the old file or the new one, never half of one."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from nsmc_bert.base import files
from nsmc_bert.base.errors import UserError


def test_writes_and_makes_the_folder(tmp_path):
    files.write_text(tmp_path / "a" / "b.txt", "한국어\n")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "한국어\n"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_what_utf8_cannot_say_is_the_same_string_in_json(tmp_path):
    text = "caf\udce9 한국어 \ud83d"
    files.write_text(tmp_path / "a.json", json.dumps([text], ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [text]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("old")

    def fail(part):
        part.write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"b\.txt: cannot be written \(No space left on device\)"):
        files.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        files.write_text(tmp_path / "file" / "x.txt", "")


def test_what_libraries_in_rust_say_of_the_disk():
    error = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert files.why_not_written(error) == "No space left on device"
    assert files.why_not_written(OSError(errno.EROFS, "Read-only file system")) == "Read-only file system"
    assert files.why_not_written(RuntimeError("a bug")) is None


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_everybody_may_read_what_the_umask_allows(tmp_path):
    def write(part):
        part.write_text("x")
        part.chmod(0o600)

    old = os.umask(0o027)
    try:
        files.write_atomically(tmp_path / "x.txt", write)
    finally:
        os.umask(old)
    assert (tmp_path / "x.txt").stat().st_mode & 0o777 == 0o640


def test_folders_in_a_whole_folder(tmp_path):
    (tmp_path / "whole" / "inner").mkdir(parents=True)
    (tmp_path / "whole" / "inner" / "old").touch()
    with files.whole_folder(tmp_path / "whole") as part:
        (part / "inner" / "deep").mkdir(parents=True)
        (part / "inner" / "deep" / "file").write_text("a")
        (part / "inner" / "deep" / "file").chmod(0o600)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path == tmp_path / "whole" / "inner" / "deep" / "file" and path.read_text() == "a"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    files.write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "new"
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with files.whole_folder(tmp_path / "link") as part:
        (part / "a").write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "a").read_text() == "new"


def test_home_is_expanded_where_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    files.write_text("~/a/b.txt", "x")
    with files.whole_folder("~/c") as part:
        (part / "d").write_text("x")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/b.txt", "c", "c/d"]


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE, text=True)
    files.write_text(tmp_path / "pipe", "x")
    assert reader.communicate()[0] == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


REPLACED = """
import os, pathlib, sys
from nsmc_bert.base import files, system
moment, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def die(*_):
    os.kill(os.getpid(), 9)
if moment == "before":
    system.exchange = die
elif moment == "after":
    exchange = system.exchange
    system.exchange = lambda *paths: (exchange(*paths), die())
else:
    system.exchange = lambda *_: False
    if moment == "between":
        rename, calls = pathlib.Path.rename, []
        pathlib.Path.rename = lambda *paths: die() if calls else calls.append(rename(*paths))
with files.whole_folder(folder, {"weights", "old only"}) as part:
    (part / "weights").write_text("new")
    (part / "new only").write_text("new")
"""


@pytest.mark.parametrize(
    ("moment", "expected"), [("before", "old"), ("between", "old"), ("after", "new"), ("never", "new")]
)
def test_a_folder_is_the_old_or_the_new_one_whenever_its_replacement_is_killed(tmp_path, moment, expected):
    folder = tmp_path / "model"
    (folder / ".git" / "objects").mkdir(parents=True)
    for name in ("weights", "old only", "LICENSE", ".git/objects/aa"):
        (folder / name).write_text("old")
    (folder / "link").symlink_to("nowhere")
    (folder / ".git" / "objects" / "aa").chmod(0o444)
    code = subprocess.run([sys.executable, "-c", REPLACED, moment, str(folder)], capture_output=True).returncode
    assert code == (0 if moment == "never" else -signal.SIGKILL)
    files.restore(folder)
    assert (folder / "weights").read_text() == expected
    assert (folder / "old only").exists() == (expected == "old") != (folder / "new only").exists()
    assert (folder / "LICENSE").read_text() == (folder / ".git" / "objects" / "aa").read_text() == "old"
    assert (folder / ".git" / "objects" / "aa").stat().st_mode & 0o777 == 0o444
    assert os.readlink(folder / "link") == "nowhere"
    assert moment != "never" or [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failure_leaves_the_old_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("old")
    with pytest.raises(UserError, match="model: cannot be written"), files.whole_folder(tmp_path / "model") as part:
        (part / "weights").write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "weights").read_text() == "old"


def test_one_process_at_a_time(tmp_path):
    script = (
        "import pathlib, sys\nfrom nsmc_bert.base import files\n"
        "held = files.lock(pathlib.Path(sys.argv[1]))\nprint('mine')"
    )

    def other():
        return subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)

    held, again = files.lock(tmp_path), files.lock(tmp_path)
    assert held is again
    assert "another process is at work in it (process %d on " % os.getpid() in other().stderr
    del held, again
    assert other().stdout == "mine\n"
    assert files.lock(tmp_path) is not None  # who held it last has ended


def test_the_cache_folder(monkeypatch, tmp_path):
    for name in ("NSMC_BERT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert files.cache_folder() == tmp_path / ".cache" / "nsmc_bert"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert files.cache_folder() == tmp_path / ".cache" / "nsmc_bert"
    monkeypatch.setattr(sys, "platform", "win32")
    assert files.cache_folder() == tmp_path / "local" / "nsmc_bert"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.cache_folder() == tmp_path / "xdg" / "nsmc_bert"
    monkeypatch.setenv("NSMC_BERT_CACHE", "~/own")
    assert files.cache_folder() == tmp_path / "own"
