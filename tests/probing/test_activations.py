"""probing.activations: encoded once, read as encoded, and whole after any kill."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing import activations, alignment, encoders
from probing.tasks import TASKS


class Counting(encoders.Encoder):
    """An encoder whose states say which sentence, layer and position they are of."""

    name, fingerprint, layer0, widths, max_positions = "counting", "counting-1", "none", (2, 3), 64

    def __init__(self):
        self.encoded = []

    def read(self, sentences, glued=()):
        return [
            alignment.Sentence(
                np.array([len(word) for word in words], np.int32), np.arange(len(words) + 1, dtype=np.int32)
            )
            for words in sentences
        ]

    def encode(self, payloads):
        self.encoded += [payload.tolist() for payload in payloads]
        return [
            [
                (payload[:, None] * (layer + 1) + np.arange(width)).astype(np.float16)
                for layer, width in enumerate(self.widths)
            ]
            for payload in payloads
        ]


@pytest.fixture
def examples(make_records):
    return alignment.align(make_records(20), Counting(), TASKS["pos"], ["A", "B", "C"])


def whole(examples, sentences):
    return np.array([[number, 0, len(examples.payloads[number])] for number in sentences])


def check(store, examples, sentences=None):
    sentences = np.arange(len(examples.keys)) if sentences is None else sentences
    for layer, block in zip((1, 0), store.read(examples, whole(examples, sentences), [1, 0])):
        expected = [store.encoder.encode([examples.payloads[i]])[0][layer] for i in sentences]
        np.testing.assert_array_equal(block, [np.concatenate(expected)])


@pytest.mark.parametrize("kind", ["store", "recompute"])
def test_what_is_read_is_what_was_encoded(examples, tmp_path, kind, capsys):
    encoder = Counting()
    store = activations.Store(tmp_path, encoder) if kind == "store" else activations.Recompute(encoder)
    store.ensure([examples])
    check(store, examples)
    check(store, examples, [3, 0, 3])
    store.close()


@pytest.mark.parametrize("kind", ["store", "recompute"])
def test_pieces_are_read_and_filled_up(examples, tmp_path, kind, capsys):
    encoder = Counting()
    store = activations.Store(tmp_path, encoder) if kind == "store" else activations.Recompute(encoder)
    store.ensure([examples])
    for layer, block in enumerate(store.read(examples, np.array([[4, 1, 2], [2, 0, 2], [4, 0, 1]]), [0, 1], rows=7)):
        four, two = (encoder.encode([examples.payloads[number]])[0][layer] for number in (4, 2))
        np.testing.assert_array_equal(block, [np.concatenate([four[1:2], two[:2], four[:1], np.zeros((3, layer + 2))])])
    store.close()


@pytest.mark.parametrize("kind", ["store", "recompute"])
def test_layers_of_one_width_stand_in_one_block(examples, tmp_path, kind, capsys):
    encoder = Counting()
    encoder.widths = (2, 3, 3, 3)
    assert activations.blocks([0, 1, 3], encoder.widths) == [[0], [1, 3]]
    store = activations.Store(tmp_path, encoder) if kind == "store" else activations.Recompute(encoder)
    store.ensure([examples])
    blocks = store.read(examples, whole(examples, [3, 0]), [0, 1, 3])
    states = [encoder.encode([examples.payloads[i]])[0] for i in (3, 0)]
    for block, layers in zip(blocks, ([0], [1, 3])):
        np.testing.assert_array_equal(block, [np.concatenate([states[0][layer], states[1][layer]]) for layer in layers])
    store.close()


def test_every_sentence_is_encoded_once(examples, make_records, tmp_path):
    encoder, said = Counting(), []
    store = activations.Store(tmp_path, encoder, said.append)
    store.ensure([examples, examples])
    assert len(encoder.encoded) == len(examples.keys) == len({tuple(ids) for ids in encoder.encoded})
    bytes_written = sum(len(payload) for payload in examples.payloads) * (2 + 3) * 2
    assert said[-1].startswith(
        "activations: %d sentences, 0 of them in the store already; %s to write"
        % (len(examples.keys), activations.size(bytes_written))
    )
    other = activations.Store(tmp_path, encoder, said.append)
    more = alignment.align(make_records(25), encoder, TASKS["pos"], ["A", "B", "C"])
    before = len(encoder.encoded)
    other.ensure([more])
    assert len(encoder.encoded) - before == len(more.keys) - len(examples.keys) > 0
    check(other, more)


def damage(path, kind):
    folder = path / "counting-1"
    if kind == "half a line":
        with open(folder / "index", "ab") as file:
            file.write(b"\x00" * 17)
    elif kind == "states without a line":
        with open(folder / "layer-01.f16", "ab") as file:
            file.write(b"\x00" * 1000)
    elif kind == "a line without states":
        os.truncate(folder / "layer-01.f16", 6 * 40)
    elif kind == "states that are not as written":
        (folder / "store.json").write_text(
            json.dumps({**json.loads((folder / "store.json").read_text()), "settled": 0}), encoding="utf-8"
        )
        with open(folder / "layer-00.f16", "r+b") as file:
            file.seek(4 * 30)
            file.write(b"\xff\xff")


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        ("half a line", 0),
        ("states without a line", 0),
        ("a line without states", True),
        ("states that are not as written", True),
    ],
)
def test_what_a_crash_left_behind(examples, tmp_path, kind, again):
    activations.Store(tmp_path, Counting(), lambda line: None).ensure([examples])
    damage(tmp_path, kind)
    encoder = Counting()
    store = activations.Store(tmp_path, encoder, lambda line: None)
    store.ensure([examples])
    assert (0 < len(encoder.encoded) < len(examples.keys)) if again else not encoder.encoded
    check(store, examples)


def flip(path, position):
    """Flips a bit of the settled part, as no process that was killed does."""
    with open(path / "counting-1" / "layer-00.f16", "r+b") as file:
        file.seek(position * 4)
        byte = file.read(1)[0]
        file.seek(position * 4)
        file.write(bytes([byte ^ 1]))


def test_a_flipped_bit_in_the_settled_part_is_mended(examples, tmp_path):
    activations.Store(tmp_path, Counting(), lambda line: None).ensure([examples])
    flip(tmp_path, 30)
    encoder, said = Counting(), []
    store = activations.Store(tmp_path, encoder, said.append)
    store.ensure([examples])
    assert len(encoder.encoded) == 1
    assert said[0] == (
        "activations: compared %d sentences in the store with their checksums; 1 are not as they were written, and "
        "are encoded anew "
        "where they are needed" % len(examples.keys)
    )
    check(store, examples)
    again, said = Counting(), []
    store = activations.Store(tmp_path, again, said.append)  # the last line of a sentence counts
    store.ensure([examples])
    assert not again.encoded and len(said) == 1
    check(store, examples)


def test_of_a_large_store_a_part_is_compared_and_all_of_it_on_demand(examples, tmp_path, monkeypatch):
    activations.Store(tmp_path, Counting(), lambda line: None).ensure([examples])
    flip(tmp_path, 0)  # of the first sentence
    monkeypatch.setattr(activations, "CHECKED", 100)
    monkeypatch.setattr(activations.random, "randrange", lambda stop: 3)
    encoder, said = Counting(), []
    activations.Store(tmp_path, encoder, said.append).ensure([examples])
    assert not encoder.encoded and len(said) == 1  # it was not among them
    store = activations.Store(tmp_path, encoder, said.append, verify=True)
    store.ensure([])
    assert (
        "compared %d sentences in the store with their checksums; 1 are not" % len(examples.keys) in said[-2]
        and not encoder.encoded
    )
    store.ensure([examples])  # what was damaged is not forgotten, and nothing is compared twice
    assert len(encoder.encoded) == 1 and not store.verify
    check(store, examples)


def test_what_killed_processes_were_writing_is_removed(examples, tmp_path):
    (tmp_path / "counting-1").mkdir()
    for name in ("store.json.part-12", ".tmpAb3xY9", "thesis.part-1.doc"):
        (tmp_path / "counting-1" / name).write_text("{")
    activations.Store(tmp_path, Counting(), lambda line: None).ensure([examples])
    names = {path.name for path in (tmp_path / "counting-1").iterdir()}
    assert names == {"index", "lock", "layer-00.f16", "layer-01.f16", "store.json", "thesis.part-1.doc"}


def test_a_folder_is_one_process_own(tmp_path):
    waited = []
    with activations.locked(tmp_path, waited.append) as mine, activations.locked(tmp_path, None) as theirs:
        assert (mine, theirs, waited) == (True, False, [])
    with activations.locked(tmp_path, None) as mine:
        assert mine
    with pytest.raises(UserError, match="nowhere: cannot be written"), activations.locked(tmp_path / "nowhere", None):
        pass


def test_another_encoders_folder_is_refused(examples, tmp_path):
    activations.Store(tmp_path, Counting(), lambda line: None).ensure([examples])
    encoder = Counting()
    encoder.widths = (2, 4)
    with pytest.raises(UserError, match="store.json: found no description of this encoder's store"):
        activations.Store(tmp_path, encoder, lambda line: None).ensure([examples])


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(
        activations.shutil, "disk_usage", lambda path: os.terminal_size((0, 0)) and type("U", (), {"free": 100})()
    )
    encoder = Counting()
    with pytest.raises(
        UserError, match=r"100 bytes are free, expected \d.* --activations=recompute, which needs no disk"
    ):
        activations.Store(tmp_path, encoder, lambda line: None).ensure([examples])
    assert not encoder.encoded


def test_states_that_are_no_numbers_are_named(examples, tmp_path):
    class Broken(Counting):
        def encode(self, payloads):
            return [[layer * np.float16("nan") for layer in sentence] for sentence in super().encode(payloads)]

    with pytest.raises(UserError, match="counting: its states are no numbers in layer 0"):
        activations.Store(tmp_path, Broken(), lambda line: None).ensure([examples])
    with pytest.raises(UserError, match="counting: its states are no numbers in layer 0"):
        activations.Recompute(Broken(), lambda line: None).read(examples, whole(examples, [0]), [0])


KILLED = """
import sys, time
sys.path[:0] = {path!r}
import numpy as np
from probing import activations, alignment
from tests.probing.test_activations import Counting
activations.CHUNK = 100
class Slow(Counting):
    def encode(self, payloads):
        time.sleep(0.02)
        return super().encode(payloads)
texts = [["w" * (1 + (i * k) % 11) for k in range(1, 4 + i % 5)] + ["v" * (i + 1)] for i in range(60)]
read = Slow().read(texts)
part = alignment.Examples([s.payload for s in read], [s.key for s in read], *[None] * 11)
store = activations.Store({folder!r}, Slow(), lambda line: print(line, flush=True))
print("begin", flush=True)
store.ensure([part])
states = store.read(part, np.array([[i, 0, len(part.payloads[i])] for i in range(60)]), [0, 1])
expected = [np.concatenate([Counting().encode([p])[0][layer] for p in part.payloads]) for layer in (0, 1)]
assert all((block == [layer]).all() for block, layer in zip(states, expected))
print("whole")
"""


def test_killed_again_and_again_it_ends_whole(tmp_path):
    script = KILLED.format(path=sys.path, folder=str(tmp_path))
    written = []
    for moment in (0.05, 0.12, 0.08):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
        assert process.stdout.readline() == "begin\n"
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        index = tmp_path / "counting-1" / "index"
        written.append(index.stat().st_size // 32 if index.exists() else 0)
    assert written == sorted(written) and 0 < written[-1] < 60
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=os.getcwd())
    assert result.stdout.endswith("whole\n"), result.stderr
    assert "activations: 60 sentences, %d of them in the store already" % written[-1] in result.stdout


def test_sizes_in_words():
    assert [activations.size(n) for n in (0, 999, 1000, 1_234_567, 5.2e13)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "52.0 TB",
    ]
