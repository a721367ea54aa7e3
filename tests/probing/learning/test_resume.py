"""probing.learning.resume: killed runs end with the weights of whole ones, others' states are refused."""

import json
import os
import sys
import time

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing.learning import fit, resume
from probing.learning.schedule import ProbeKey
from tests import forked
from tests.conftest import ROOT
from tests.probing.learning.conftest import SCHEDULE, run


def test_a_broken_state_is_named(corpus, encoder, tmp_path):
    (tmp_path / "state").write_bytes(b"no")
    with pytest.raises(UserError, match="state: found no whole state of this run"):
        run(corpus, encoder, [ProbeKey("lex", 1)], tmp_path / "state")


RESUMED = """
import sys, json
sys.path[:0] = {path!r}
from pathlib import Path
import numpy as np
from probing import encoders
from probing.learning import fit
from probing.learning.schedule import ProbeKey, Schedule
from tests.probing.learning.conftest import make_corpus, run
from tests.probing.conftest import make_records
encoder = encoders.load({folder!r})
corpus = make_corpus(encoder, make_records.__wrapped__(), 2)
fit.PIECE = 3
schedule = Schedule(kind="plateau", steps=48, interval=7, batch_records=8, learning_rate=5e-3, halve_after=1)
cells = [ProbeKey("mix", 1), ProbeKey("lex", 2, "random_labels")]
print("begin", flush=True)
probes, _, results = run(corpus, encoder, cells, Path({state!r}), schedule, checkpoint_seconds=0.0)
np.savez({out!r}, *[w for cell in cells for w in probes.models[cell].get_weights()])
print(json.dumps([results[cell]["history"] for cell in cells]))
"""


def test_killed_and_started_again_it_ends_with_the_same_weights(encoder_folder, tmp_path):
    def start(name):
        text = RESUMED.format(
            path=sys.path, folder=str(encoder_folder), state=str(tmp_path / name), out=str(tmp_path / name)
        )
        return forked.Started(["-c", text], cwd=ROOT, env=os.environ)

    whole = start("whole").finish()
    process = start("killed")
    while not (tmp_path / "killed").exists():
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(0.1)
    process.kill()
    assert not (tmp_path / "killed.npz").exists()
    resumed = start("killed").finish()
    assert json.loads(resumed.stdout.split("\n")[-2]) == json.loads(whole.stdout.split("\n")[-2])
    one, two = (np.load(tmp_path / (name + ".npz")) for name in ("whole", "killed"))
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name])


def test_another_runs_state_is_not_gone_on_with(corpus, encoder, tmp_path):
    cell = ProbeKey("lex", 1)
    task, parts, _ = corpus
    probes = fit.Probes([cell], task, encoder, 3, SCHEDULE)
    resume.save(tmp_path / "state", probes, {"step": 7}, {}, {"a": 2})
    assert resume.restore(tmp_path / "state", probes, {"a": 1}) is None
    assert resume.restore(tmp_path / "state", probes, {"a": 2})["step"] == 7
    more = fit.Probes([cell, ProbeKey("lex", 2)], task, encoder, 3, SCHEDULE)
    assert resume.restore(tmp_path / "state", more, {"a": 2}) is None  # a probe is not in it
    resume.save(tmp_path / "state", probes, {"step": "7"}, {}, {"a": 2})
    with pytest.raises(UserError, match="state, progress: found step '7', expected a whole number"):
        resume.restore(tmp_path / "state", probes, {"a": 2})
