"""nsmc_bert.learning.run_folder: whose a folder is, and what is left alone."""

import os
from pathlib import Path

import pytest

from nsmc_bert.base.classes import ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.learning import run_folder
from tests import forked
from tests.conftest import ROOT


def test_the_folder_of_another_run_is_left_alone(tmp_path):
    run_folder.claim(tmp_path / "run", {"seed": 1, "epochs": 3})
    run_folder.claim(tmp_path / "run", {"seed": 1, "epochs": 3})
    with pytest.raises(UserError, match="holds another run: epochs=3 there, 4 now; choose another .*/run-2, or delete"):
        run_folder.claim(tmp_path / "run", {"seed": 1, "epochs": 4})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("x")
    with pytest.raises(UserError, match="files that are no run's"):
        run_folder.claim(tmp_path / "mine", {})
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.doc"]
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(UserError, match="no valid JSON"):
        run_folder.claim(tmp_path / "run", {})


def test_how_another_run_differs_is_told_as_people_call_it(tmp_path):
    stars = ratings([1, 2, 3, 4, 5])
    record = {"seed": 1, "data": "0f3a", "test": "77ab", **stars.recorded}
    run_folder.claim(tmp_path / "stars" / "seed-1", record)
    (tmp_path / "stars-2").mkdir()
    for other, words in (
        ({**record, "classes": None}, "ratings from 1 to 5 there, negative and positive now"),
        ({**record, "classes": {"names": list("가나다"), "values": []}}, "there, 3 classes, 가, 나, 다 now"),
        ({**record, "data": "9c2e"}, "what was learned from is not what is there now"),
        ({**record, "test": None}, "the test reviews are not those that are there now"),
    ):
        with pytest.raises(UserError) as refused:
            run_folder.claim(tmp_path / "stars" / "seed-1", other, part_of=tmp_path / "stars")
        assert f"{words}; choose another folder, --run_dir={tmp_path / 'stars-3'}, or delete this" in str(refused.value)
    (tmp_path / "stars" / "seed-1" / "run.json").write_text('{"classes": {"names": 5}}')
    with pytest.raises(UserError, match="run.json: found no classes.values"):
        run_folder.claim(tmp_path / "stars" / "seed-1", record)


def test_what_a_killed_save_left_behind_is_cleared_away(tmp_path):
    """A kill can leave half a model folder; only a run's own left-overs go, and only in its own folder."""
    run_folder.claim(tmp_path / "run", {"seed": 1})
    (tmp_path / "run" / ".model.part-12").mkdir()
    (tmp_path / "run" / ".model.part-12" / "config.json").write_text("{")
    (tmp_path / "run" / ".model.old-12").mkdir()
    for name in ("checkpoint.safetensors.part-12", ".tmpbQ1Ua4"):  # the second is safetensors' own
        (tmp_path / "run" / name).write_text("")
    (tmp_path / "run" / "thesis.part-1.doc").write_text("x")
    run_folder.claim(tmp_path / "run", {"seed": 1})
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["lock", "run.json", "thesis.part-1.doc"]
    (tmp_path / "mine").mkdir()
    for name in ("thesis.part-1.doc", "best.safetensors.part-3"):
        (tmp_path / "mine" / name).write_text("x")
    with pytest.raises(UserError, match="files that are no run's"):
        run_folder.claim(tmp_path / "mine", {})
    assert len(list((tmp_path / "mine").iterdir())) == 2


def test_a_worker_that_looks_while_the_chief_writes_its_record_is_of_the_run(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    listed = Path.iterdir

    def listed_late(folder):
        (folder / "run.json").write_text('{"seed": 1}')
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", listed_late)
    assert run_folder.claim(tmp_path / "run", {"seed": 1}, chief=False) is None


def test_two_starts_of_one_run_do_not_destroy_each_other(tmp_path):
    """The second is refused before it clears away what the first is about to write; the other workers of one run share
    its folder.
    """
    script = (
        "import pathlib, sys, nsmc_bert\nfrom nsmc_bert.learning import run_folder\n"
        "print(run_folder.claim(pathlib.Path(sys.argv[1]), {}, False), "
        "flush=True)\nrun_folder.claim(pathlib.Path(sys.argv[1]), {})"
    )
    held = run_folder.claim(tmp_path / "run", {})
    (tmp_path / "run" / "checkpoint.safetensors.part-1").write_text("half")
    other = forked.run(["-c", script, tmp_path / "run"], cwd=ROOT, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert other.stdout == "None\n"
    assert "run: another process is at work in it (process %d on" % os.getpid() in other.stderr
    assert (tmp_path / "run" / "checkpoint.safetensors.part-1").exists()
    del held
    run_folder.claim(tmp_path / "run", {})
    assert not (tmp_path / "run" / "checkpoint.safetensors.part-1").exists()


def test_a_file_where_the_run_should_be(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(UserError, match="run: found a file, expected a folder"):
        run_folder.claim(tmp_path / "run", {})
