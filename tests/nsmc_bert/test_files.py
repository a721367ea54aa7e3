"""nsmc_bert.files: the old file or the new one, never half of one."""

import errno
import json
import os

import pytest

from nsmc_bert import files
from nsmc_bert.errors import UserError


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
