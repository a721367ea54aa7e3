"""probing.encoders: which family a name is, one battery for every family, and every family through the run command."""

import json
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints
from probing import activations, alignment, encoders, records
from probing.encoders import bert, cove, elmo, gpt
from probing.learning.batches import Batches
from probing.sources import conllu
from probing.tasks import TASKS
from tests.nsmc_bert.model.families import make as make_kin
from tests.probing.conftest import WORDS
from tests.probing.encoders import make


@pytest.fixture
def config(tmp_path):
    """Makes a folder with a config.json alone."""

    def make_config(name, **values):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(values))
        return folder

    return make_config


def test_a_folder_says_its_family(config, tmp_path):
    for name, values in (
        ("bert", {"model_type": "bert"}),
        ("bert", {"hidden_size": 8}),
        ("bert", {"model_type": "electra"}),
        ("bert", {"model_type": "xlm-roberta"}),
        ("gpt", {"model_type": "openai-gpt"}),
    ):
        folder = config("%s%s" % (name, values.get("model_type", "")), **values)
        assert encoders.find(str(folder)) == (name, folder)
    elmo, cove = make.elmo(tmp_path / "e"), make.cove(tmp_path / "c", ["a"])
    assert encoders.find(elmo) == encoders.find(f"elmo:{elmo}") == ("elmo", elmo)
    assert encoders.find(cove) == encoders.find(f"cove:{cove}") == ("cove", cove)
    authors = tmp_path / "authors"
    authors.mkdir()
    (authors / "params_shapes.json").write_text("[]")
    assert encoders.find(authors) == ("gpt", authors)


def test_a_folder_of_no_family_is_one_line(config, tmp_path):
    with pytest.raises(
        UserError,
        match="config.json: found an encoder of model_type 'gpt2', expected one of bert, roberta, .*, openai-gpt;",
    ):
        encoders.load(str(config("other", model_type="gpt2")))
    folder = config("broken")
    (folder / "config.json").write_text("[]")
    with pytest.raises(UserError, match=r"config.json: found \[\], expected a JSON object"):
        encoders.load(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(
        UserError, match="broken: found no encoder, expected the files of BERT .*, or of GPT .*, or of ELMo"
    ):
        encoders.load(str(folder))
    for family in ("elmo", "cove"):
        with pytest.raises(
            UserError, match=f"--encoder={family}:nowhere: found no folder nowhere, expected one with the"
        ):
            encoders.load(f"{family}:nowhere")
    with pytest.raises(UserError, match="no/such/folder: found no such folder"):
        encoders.load("no/such/folder")


@pytest.mark.parametrize(
    ("name", "kind", "family"),
    [
        ("bert-base-uncased", "bert", "bert"),
        ("google-bert/bert-large-cased", "bert", "bert"),
        ("openai-gpt", "openai-gpt", "gpt"),
        ("openai-community/openai-gpt", "openai-gpt", "gpt"),
    ],
)
def test_a_hub_name_says_its_family(config, monkeypatch, name, kind, family):
    folder, asked = config("hub", model_type=kind), []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr(checkpoints, "resolve", lambda name: folder)
    assert encoders.find(name) == (family, folder)
    assert asked == [(name, ["config.json"])]


def test_a_hub_model_of_another_family_is_not_fetched(config, monkeypatch):
    folder = config("hub", model_type="llama")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, allow_patterns: str(folder))
    monkeypatch.setattr(checkpoints, "resolve", lambda name: pytest.fail("its weights were asked for"))
    with pytest.raises(
        UserError, match="^me/llama: found an encoder of model_type 'llama', expected one of bert, roberta,"
    ):
        encoders.load("me/llama")


def test_a_hub_that_cannot_be_reached_is_explained_by_what_resolves_names(monkeypatch):
    def fail(name, allow_patterns):
        raise OSError("no network")

    def resolve(name):
        raise UserError(f"{name}: found no such folder, and the hub cannot be reached")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    monkeypatch.setattr(checkpoints, "resolve", resolve)
    with pytest.raises(UserError, match="bert-base-cased: found no such folder, and the hub cannot be reached"):
        encoders.load("bert-base-cased")


@pytest.fixture(scope="module")
def treebank(data_dir, tmp_path_factory):
    """dep and its words: the first sentences of UD English EWT, through the converter's own reader."""
    folder, words = tmp_path_factory.mktemp("ewt"), set()
    for split, count in (("train", 40), ("dev", 15), ("test", 15)):
        text = (data_dir / "probing" / "UD_English-EWT" / (f"en_ewt-ud-{split}.conllu")).read_text(encoding="utf-8")
        path = folder / (f"en_ewt-ud-{split}.conllu")
        path.write_text("\n\n".join(text.split("\n\n")[:count]) + "\n\n", encoding="utf-8")
        (converted,) = conllu.splits(path, "dep", split=split).values()
        found = list(converted.records)
        words.update(word for record in found for word in record.words)
        records.write(folder / (f"dep.{split}.jsonl"), found)
    return folder, sorted(words)


@pytest.mark.parametrize("family", ["gpt", "elmo", "cove"])
def test_every_family_runs_from_words_to_the_table(family, treebank, command, data_dir, tmp_path):
    data, words = treebank
    name, known, layers, columns = {
        "gpt": (
            make.gpt,
            (),
            "3 layers of 8; layer 0 is lexical: token embedding",
            ["lex", "cat", "mix", "cat - lex", "mix - lex"],
        ),
        "elmo": (None, (), "2 layers of 32; layer 0 is lexical: character layer", ["lex", "full", "delta"]),
        "cove": (make.cove, (words[::2],), "1 layer of 8; layer 0 is lexical: GloVe", ["lex", "full", "delta"]),
    }[family]
    if name is None:
        encoder = "elmo:%s" % (data_dir / "probing" / "elmo_fixture" / "allennlp")
    else:
        folder = name(tmp_path / family, *known)
        encoder = str(folder) if family == "gpt" else f"cove:{folder}"
    result = command(
        "probing.run",
        "--task=dep",
        f"--data={data}",
        f"--encoder={encoder}",
        "--epochs=2",
        "--least_steps=1",
        "--bootstrap=100",
        "--control=random_encoder",
        "--precision=float32",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert f"encoder: {encoder}, {layers}" in result.stderr
    assert f"encoder: {encoder}, random weights (seed 0), " in result.stderr
    if family == "cove":
        assert (
            "GloVe: found %d of %d new words; the others are zero vectors" % (len(words[::2]), len(words))
            in result.stderr
        )
    header, row = result.stdout.split("\n")[:2]
    shown = re.split("  +", header.strip())[1:]
    assert len(shown) == len(columns) and all(map(str.endswith, shown, columns))
    assert row.startswith("Dependencies") and "random encoder" in result.stdout


# The battery: what every family has to pass

FAMILIES = ("bert", "roberta", "albert", "gpt", "elmo", "cove")
SENTENCES = [
    ["%s%d" % (word, i) for word in WORDS[i % 5 : i % 5 + 1 + i % 7]] for i in range(40)
]  # of many different words
NEAR = dict(atol=4e-3, rtol=2e-3)  # float16, in batches of other shapes


@pytest.fixture(scope="module")
def folders(tmp_path_factory, encoder_folder):
    place = tmp_path_factory.mktemp("battery")
    known = [*WORDS[::2], *(word for sentence in SENTENCES for word in sentence[::2])]
    return {
        **{name: make_kin.write(place / name, name) for name in ("roberta", "albert")},
        "bert": encoder_folder,
        "gpt": make.gpt(place / "gpt"),
        "elmo": make.elmo(place / "elmo"),
        "cove": make.cove(place / "cove", known),
    }


def payloads(encoder, sentences=SENTENCES):
    return [sentence.payload for sentence in encoder.read(sentences)]


@pytest.fixture(scope="module")
def loaded(folders):
    """{family: (an encoder, its states of SENTENCES)}."""
    found = {family: encoders.load(str(folder)) for family, folder in folders.items()}
    return {family: (encoder, encoder.encode(payloads(encoder))) for family, encoder in found.items()}


def check_states(found, expected, **tolerance):
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == np.float16
            np.testing.assert_allclose(a, b, **tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_released_and_loaded_again_it_says_the_same(loaded, family):
    encoder, before = loaded[family]
    for _ in range(2):
        encoder.release()
    check_states(encoder.encode(payloads(encoder)), before, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_glued_words_have_positions_of_their_own(loaded, family):
    """BERT and its kin read pieces that go on with a word; to the others glue says nothing."""
    encoder = loaded[family][0]
    words = ["영화", "는", "재미", "있", "네요"]
    plain, glued = encoder.read([words, words], [(), (1, 3, 4)])
    assert len(plain.starts) == len(glued.starts) == 6 and (np.diff(glued.starts) > 0).all()
    assert (family not in ("gpt", "elmo", "cove")) == (glued.key != plain.key)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_sentence_loses_no_position(loaded, family, monkeypatch):
    for module in (bert, gpt):
        monkeypatch.setattr(module, "MARGIN", 6)
    encoder = loaded[family][0]
    one, long = encoder.read([WORDS[:4], WORDS[:4] * 30])
    states = encoder.encode([one.payload, long.payload])[1]
    assert [layer.shape for layer in states] == [(len(long.payload), width) for width in encoder.widths]
    assert all(np.isfinite(layer).all() for layer in states)
    spans = [np.arange(first, last) for first, last in zip(long.starts, long.starts[1:])]
    words = [states[0][span] for span in spans]  # layer 0 knows no place: every window says the same of a word
    for word, first in zip(words, words[:4] * 30, strict=True):
        np.testing.assert_array_equal(word, first)
    check_states(encoder.encode([long.payload]), [states], **NEAR)


@pytest.mark.parametrize("family", FAMILIES)
def test_threads_do_not_disturb_each_other(folders, loaded, family, monkeypatch):
    look_up = cove.Glove.read
    monkeypatch.setattr(
        cove.Glove, "read", lambda *arguments: (time.sleep(0.1), look_up(*arguments))[1]
    )  # as a large file takes
    monkeypatch.setattr(elmo, "CACHE", 40)  # forgets while others look up
    encoder, expected = encoders.load(str(folders[family])), loaded[family][1]
    read, interval = payloads(encoder), sys.getswitchinterval()
    encoder.release()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = [
                states
                for part in pool.map(encoder.encode, [read[i : i + 2] for i in range(0, 40, 2)])
                for states in part
            ]
    finally:
        sys.setswitchinterval(interval)
    check_states(found, expected, **NEAR)


@pytest.mark.parametrize("family", FAMILIES)
def test_encoded_at_every_step_or_once_batches_are_the_same(loaded, family, make_records, tmp_path):
    encoder, made = loaded[family][0], []
    part = alignment.align(make_records(40, 2), encoder, TASKS["dep"], ["A", "B", "C"])
    for kind in ("store", "recompute"):
        silent = lambda line: None  # noqa: E731
        states = (
            activations.Store(tmp_path, encoder, silent) if kind == "store" else activations.Recompute(encoder, silent)
        )
        states.ensure([part])
        layers = list(range(len(encoder.widths)))
        data = Batches(states, part, layers).dataset(lambda number: np.arange(5 * number, 5 * number + 5), 0, 8)
        made.append([[block.numpy() for block in batch["states"]] for batch in data])
        states.close()
    assert len(made[0]) == 8
    check_states(*made, **NEAR)


@pytest.mark.parametrize("family", FAMILIES)
def test_float16_is_near_and_has_a_fingerprint_of_its_own(folders, loaded, family):
    (exact, expected), half = loaded[family], encoders.load(str(folders[family]), precision="mixed_float16")
    check_states(half.encode(payloads(half)), expected, atol=0.02, rtol=0)
    assert half.fingerprint != exact.fingerprint


def test_states_beyond_float16_are_its_largest_number():
    states = encoders.to_float16(tf.constant([1e6, -1e6, 1.5])).numpy()
    assert states.dtype == np.float16 and states.tolist() == [65504, -65504, 1.5]


CONFIGURATION = [
    ("bert", "config.json", "num_attention_heads", 4),
    ("bert", "config.json", "hidden_act", "relu"),
    ("bert", "config.json", "layer_norm_eps", 0.5),
    ("albert", "config.json", "hidden_act", "relu"),
    ("gpt", "config.json", "n_head", 4),
    ("gpt", "config.json", "afn", "relu"),
    ("gpt", "config.json", "layer_norm_epsilon", 0.5),
    ("elmo", "tiny_options.json", "lstm.cell_clip", 0.1),
    ("elmo", "tiny_options.json", "lstm.proj_clip", 0.05),
    ("elmo", "tiny_options.json", "lstm.use_skip_connections", False),
    ("elmo", "tiny_options.json", "char_cnn.activation", "tanh"),
    ("elmo", "tiny_options.json", "char_cnn.max_characters_per_token", 5),
    ("cove", "glove.tiny.txt", None, None),
]


@pytest.mark.parametrize(("family", "file", "key", "value"), CONFIGURATION, ids=lambda value: str(value))
def test_what_decides_the_states_is_in_the_fingerprint(folders, loaded, tmp_path, family, file, key, value):
    (before, expected), folder = loaded[family], tmp_path / "copy"
    shutil.copytree(folders[family], folder)
    text = (folder / file).read_text(encoding="utf-8")
    if key is None:
        text = text.replace(" 0.", " 1.")
    else:
        *outer, name = key.split(".")
        content = json.loads(text)
        (content[outer[0]] if outer else content)[name] = value
        text = json.dumps(content)
    (folder / file).write_text(text, encoding="utf-8")
    after = encoders.load(str(folder))
    pairs = zip(expected, after.encode(payloads(after)))
    assert any((a.shape != b.shape or (a != b).any()) for one, other in pairs for a, b in zip(one, other))
    assert after.fingerprint != before.fingerprint


def test_weights_that_changed_while_they_were_released_are_refused(folders, make_bert, tiny_tokenizer, tmp_path):
    folder = tmp_path / "bert"
    shutil.copytree(folders["bert"], folder)
    encoder = encoders.load(str(folder))
    read = payloads(encoder, SENTENCES[:1])
    encoder.release()
    shutil.rmtree(folder)
    checkpoints.save(
        folder,
        task="Model",
        bert=make_bert(8, hidden_size=16, num_hidden_layers=3),
        heads={},
        tokenizer=tiny_tokenizer,
        training={},
        card="",
        max_length=32,
    )
    for _ in range(2):
        with pytest.raises(
            UserError, match="bert: found another encoder than when the run began; run the command again"
        ):
            encoder.encode(read)
