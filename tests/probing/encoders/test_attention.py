"""probing.encoders.attention: what heads say of edges equals transformers' own attention, summed up by hand."""

import json
import re
import types

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints
from nsmc_bert.model.families import network
from probing import alignment, corpora, encoders, records, study
from probing.encoders.attention import Attention
from probing.learning.schedule import Schedule
from probing.records import Record, Target
from probing.results import tables
from probing.tasks import SPLITS, TASKS
from tests.nsmc_bert.model.families import make as make_kin
from tests.probing.test_activations import Counting

RUNTIME = types.SimpleNamespace(precision="float32", xla=False, kind="CPU")


def edge(one, other, label="x"):
    return Target(one, other, (label,))


RECORDS = [
    Record("이 영화 재미있네요 !", (edge((0, 1), (2, 3)), edge((2, 3), (2, 3)), edge((1, 4), (0, 2)))),
    Record("꿀잼", (edge((0, 1), (0, 1)),)),
    Record("정말 최고 !", (edge((0, 1), (1, 2)), edge((1, 3), (0, 1)))),
]


@pytest.fixture(scope="module")
def heads(encoder_folder):
    return Attention(encoders.load(encoder_folder))


def aligned(encoder, found=RECORDS):
    return alignment.align(found, encoder, TASKS["dep"], ["x"])


def test_heads_say_what_transformers_does(heads, encoder_folder):
    bert = checkpoints.load_encoder(encoder_folder).bert
    examples = aligned(heads)
    read = heads.encode(alignment.edges(examples, heads.max_positions).payloads)
    assert [[layer.shape for layer in states] for states in read] == [[(count, 4)] * 3 for count in (3, 1, 2)]
    for number, (first, last) in enumerate(zip(examples.splits, examples.splits[1:])):
        maps = bert(examples.payloads[number][None], output_attentions=True).attentions
        for place, target in enumerate(range(first, last)):
            (a, b), (c, d) = examples.span1[target], examples.span2[target]
            for layer, weights in enumerate(maps):
                weights = weights.numpy()[0]  # [heads, queries, keys]
                there, back = weights[:, a:b, c:d].sum(2).mean(1), weights[:, c:d, a:b].sum(2).mean(1)
                even = [(d - c) / weights.shape[1], (b - a) / weights.shape[1]]
                expected = np.log(np.concatenate([there / even[0], back / even[1]]))
                np.testing.assert_allclose(read[number][layer][place], expected, atol=4e-3)


def test_what_is_hardly_attended_to_has_a_floor(heads, monkeypatch):
    from probing.encoders import attention

    monkeypatch.setattr(attention, "FLOOR", 0.5)
    again = Attention(heads._encoder)
    [states] = again.encode(alignment.edges(aligned(heads, RECORDS[2:]), heads.max_positions).payloads)
    # of the first edge both spans are one of five positions
    np.testing.assert_allclose(states[0][0].min(), np.log(0.5 * 5), atol=1e-3)


def test_batches_and_released_weights_change_nothing(heads, monkeypatch):
    from probing.encoders import attention

    payloads = alignment.edges(aligned(heads), heads.max_positions).payloads
    before = heads.encode(payloads)
    heads.release()
    monkeypatch.setattr(attention, "WEIGHTS", 1)
    for one, other in zip(heads.encode(payloads), before, strict=True):
        for layer, same in zip(one, other, strict=True):
            np.testing.assert_allclose(layer, same, atol=1e-3)


@pytest.mark.parametrize("kin", ["roberta", "distilbert", "albert"])
def test_heads_of_its_kin(tmp_path, kin):
    """By NumPy, from the states that PyTorch had before each layer."""
    folder = make_kin.write(tmp_path / "kin", kin)
    heads, ids = Attention(encoders.load(folder)), make_kin.inputs()[0]
    [states] = heads.encode([np.array([[0, 1, 2, 4, *ids]], np.int32)])
    layers = network.weights(heads._encoder.weights()).layers
    for layer, x, read in zip(layers, make_kin.recorded(kin)["states 0"], states):
        query, key = (
            (x @ dense.kernel.numpy() + dense.bias.numpy()).reshape(len(ids), 2, 4).swapaxes(0, 1)
            for dense in (layer.query, layer.key)
        )
        shares = np.exp(query @ key.swapaxes(1, 2) / 2)
        shares /= shares.sum(2, keepdims=True)
        even = np.array([2 / len(ids)] * 2 + [1 / len(ids)] * 2)
        expected = np.concatenate([shares[:, 0, 2:4].sum(1), shares[:, 2:4, 0].mean(1)]) / even
        np.testing.assert_allclose(read[0], np.log(expected), atol=4e-3)


def test_layers_of_several_parts_are_refused(tmp_path):
    folder = make_kin.write(tmp_path / "kin", "albert, groups")
    with pytest.raises(UserError, match="found layers of several parts, expected an encoder that shows what each rea"):
        Attention(encoders.load(folder))


def test_representations(heads):
    assert heads.representation("heads") == encoders.Representation("heads", (0, 1, 2))
    assert heads.representation("heads_2") == encoders.Representation("heads_2", (1,))
    with pytest.raises(UserError, match="--representations=mix: expected some of heads, heads_1, heads_2, heads_3"):
        heads.representation("mix")
    with pytest.raises(UserError, match="counting: found an encoder that is no BERT, expected one, whose heads can"):
        Attention(Counting())


def test_edges_by_hand(heads):
    """Records of sentences beyond the limit are left out; one sentence with other edges is read anew."""
    again = Record(RECORDS[1].text, (edge((0, 1), (0, 1)), edge((0, 1), (0, 1))))
    examples = alignment.edges(aligned(heads, [*RECORDS, again, RECORDS[1]]), 6)
    # [CLS] 꿀잼 [SEP] and [CLS] 정말 최고 ! [SEP] have six positions at most, the first sentence has eight
    assert examples.sentence.tolist() == [0, 1, 2, 3]
    assert [payload.tolist() for payload in examples.payloads] == [
        [[1, 2, 1, 2, 2, 12, 3]],
        [[1, 2, 2, 3, 2, 14, 15, 17, 3], [2, 4, 1, 2, 2, 14, 15, 17, 3]],
        [[1, 2, 1, 2, 2, 12, 3]] * 2,
        [[1, 2, 1, 2, 2, 12, 3]],
    ]
    assert examples.keys[0] == examples.keys[3] != examples.keys[2]
    assert (examples.span1.tolist(), examples.span2) == ([[0, 1], [0, 1], [1, 2], [0, 1], [1, 2], [0, 1]], None)
    assert examples.record.tolist() == [0, 1, 1, 2, 2, 3]
    # what the bootstrap draws: the first sentence, which is left out, would be 0
    assert examples.sentences.tolist() == [1, 2, 1, 1] and examples.take(np.array([1, 3])).sentences.tolist() == [2, 1]
    with pytest.raises(UserError, match="found no sentence of at most 2 positions, expected some: attention"):
        alignment.edges(aligned(heads, RECORDS), 2)
    assert examples.dropped == {"records of sentences beyond the encoder's length, left out": 1}


@pytest.fixture
def asked(tmp_path, encoder_folder, heads):
    """A study of heads, whose labels say by which way a head of layer 2 attends more."""
    words = "이 영화 정말 최고 꿀잼 !".split()
    for seed, (split, count) in enumerate((("train", 80), ("dev", 20))):
        random, made = np.random.default_rng(seed), []
        for _ in range(count):
            text = " ".join(words[i] for i in random.integers(0, len(words), 6))
            pairs = [tuple(random.choice(6, 2, replace=False).tolist()) for _ in range(8)]
            made.append(Record(text, tuple(edge((a, a + 1), (b, b + 1)) for a, b in pairs)))
        states = heads.encode(alignment.edges(aligned(heads, made), heads.max_positions).payloads)
        for number, (record, layers) in enumerate(zip(made, states)):
            labels = np.where(layers[1][:, 0] > layers[1][:, 2], "there", "back").tolist()
            targets = (edge(one.span1, one.span2, label) for one, label in zip(record.targets, labels))
            made[number] = Record(record.text, tuple(targets))
        records.write(tmp_path / "data" / f"dep.{split}.jsonl", made)

    def run(task="dep", epochs=25, **options):
        settings = study.Study(
            encoder=encoder_folder,
            schedule=lambda task: Schedule(epochs=epochs, batch_records=16, learning_rate=5e-3, least_steps=1),
            store=tmp_path / "store",
            attention=True,
            **{
                "representations": ["heads", "heads_2", "heads_1"],
                "seeds": [1],
                "run_dir": tmp_path / "runs",
                **options,
            },
        )
        corpus = corpora.find(TASKS[task], tmp_path / "data", dict.fromkeys(SPLITS, ""))
        return study.run([corpus], settings, RUNTIME, lambda line: None)

    return run


def test_a_study_of_heads(asked, tmp_path):
    """A probe of the head's layer tells, one of the layer before it does not know."""
    both = asked()
    assert [result.representation for result in both] == ["heads", "heads_2", "heads_1"]
    assert all(re.fullmatch("attention:/.*bert", result.encoder) for result in both)
    table = tables.build(both, samples=10, differences=True).table("table")
    shown = [name.split()[-1] for name in table.header if "heads" in name and " - " not in name]
    assert shown == ["heads", "heads_1", "heads_2"]
    whole, own, other = (result.figures["dev"]["Dependencies"].f1 for result in both)
    assert min(whole, own) > 0.9 > 0.8 > other
    assert [result.widths for result in both] == [(4, 4, 4)] * 3
    [path] = (tmp_path / "runs" / "dep").glob("*/heads-seed1.json")
    assert json.loads(path.read_text())["layer0"] == "none: heads alone"
    assert [result.figures for result in asked()] == [result.figures for result in both]  # nothing is trained anew
    real, random = asked(
        epochs=1,
        representations=["heads_2"],
        description_length=True,
        controls=["random_encoder"],
        run_dir=tmp_path / "others",
    )
    assert real.description_length and random.shape_of == real.encoder
    controls = tables.build([real, random], samples=10).table("controls")
    assert controls.lines[0][controls.header.index("random encoder")]


def test_one_span_has_no_attention_to_another(asked, tmp_path):
    for split in ("train", "dev"):
        records.write(tmp_path / "data" / f"pos.{split}.jsonl", [Record("이", (Target((0, 1), None, ("x",)),))])
    with pytest.raises(UserError, match="attention: found pos, expected tasks of two spans, such as dep"):
        asked("pos")
