"""probing.encoders.bert: states equal transformers' own, long sentences lose nothing, layer 0 as it is called."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints
from probing import corpora, encoders, study
from probing.encoders import attention
from probing.tasks import TASKS
from tests.nsmc_bert.model.families import make

SENTENCES = [["이", "영화", "재미있네요"], ["꿀잼"], ["정말", "최고", "!"], ["다시는", "안", "본다", "."]]


@pytest.fixture(scope="module")
def encoder(encoder_folder):
    return encoders.load(encoder_folder)


def payloads(encoder, sentences=SENTENCES):
    return [sentence.payload for sentence in encoder.read(sentences)]


def hidden_states(folder, ids):
    bert = checkpoints.load_encoder(folder).bert
    return [states.numpy()[0] for states in bert(ids[None, :], output_hidden_states=True).hidden_states], bert


@pytest.mark.parametrize("layer0", encoders.LAYER0)
def test_states_are_those_of_transformers(encoder_folder, layer0):
    encoder = encoders.load(encoder_folder, layer0=layer0)
    read = payloads(encoder)
    for ids, states in zip(read, encoder.encode(read)):
        expected, bert = hidden_states(encoder_folder, ids)
        if layer0 == "lexical":
            words, norm = bert.bert.embeddings.weight.numpy()[ids], bert.bert.embeddings.LayerNorm
            centred = words - words.mean(1, keepdims=True)
            normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + bert.config.layer_norm_eps)
            expected[0] = normal * norm.gamma.numpy() + norm.beta.numpy()
        assert [layer.dtype for layer in states] == [np.float16] * 4
        for layer, wanted in zip(states, expected, strict=True):
            np.testing.assert_allclose(layer, wanted, atol=4e-3)  # float16 of values up to 4


@pytest.mark.parametrize("random_weights", [None, 7])
def test_weights_that_were_released_are_loaded_again(encoder_folder, random_weights):
    encoder = encoders.load(encoder_folder, random_weights=random_weights)
    before = encoder.encode(payloads(encoder))
    encoder.release()
    assert not [name for name, value in vars(encoder).items() if "Bert" in type(value).__name__]
    for first, second in zip(before, encoder.encode(payloads(encoder))):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def test_encoders_that_are_loaded_again_and_again_are_not_warned_of(encoder_folder, monkeypatch):
    """As those of several tasks on few sentences."""
    said = []
    monkeypatch.setattr(tf.get_logger(), "handle", said.append)
    encoder = encoders.load(encoder_folder)
    ids = np.array([2, 7, 8, 3], np.int32)
    pair = np.array([[1, 2, 2, 3, *ids]], np.int32)
    for each, payload in ((encoder, ids), (attention.Attention(encoder), pair)):
        for _ in range(7):
            each.encode([payload])
            each.release()
    assert not said


def test_the_lexical_layer_knows_no_place(encoder):
    a, b = encoder.encode(payloads(encoder, [["꿀잼", "영화"], ["영화", "꿀잼"]]))
    np.testing.assert_array_equal(a[0][1], b[0][2])
    assert (a[1][1] != b[1][2]).any()
    other = encoders.load(encoder.name, layer0="positions")
    a, b = other.encode(payloads(other, [["꿀잼", "영화"], ["영화", "꿀잼"]]))
    assert (a[0][1] != b[0][2]).any()


def test_a_sentence_has_the_same_states_alone_and_in_company(encoder):
    read = payloads(encoder)
    together = encoder.encode(read)
    for ids, states in zip(read, together):
        for layer, alone in zip(states, encoder.encode([ids])[0]):
            np.testing.assert_allclose(layer, alone, atol=4e-3)


def test_a_sentence_beyond_the_encoders_length(encoder_folder, monkeypatch):
    from probing.encoders import bert

    monkeypatch.setattr(bert, "MARGIN", 8)
    encoder = encoders.load(encoder_folder)
    words = ["영화", "꿀잼", "이", "정말"] * 20
    (ids,) = payloads(encoder, [words])
    assert len(ids) == 82 > encoder.max_positions == 32
    (states,) = encoder.encode([ids])
    assert {layer.shape for layer in states} == {(82, 16)}
    # the lexical layer knows no window
    np.testing.assert_array_equal(
        states[0], np.concatenate([encoder.encode([part])[0][0] for part in (ids[:32], ids[32:64], ids[64:])])
    )
    # the first window gives [CLS] and all of its 30 pieces but the margin; the last one [SEP]
    first = encoder.encode([np.concatenate([ids[:31], ids[-1:]])])[0]
    last = encoder.encode([np.concatenate([ids[:1], ids[-31:]])])[0]
    for layer in range(1, 4):
        np.testing.assert_allclose(states[layer][:23], first[layer][:23], atol=4e-3)
        np.testing.assert_allclose(states[layer][-5:], last[layer][-5:], atol=4e-3)


def test_random_weights_are_the_seeds(encoder_folder, encoder):
    one, same, other = (encoders.load(encoder_folder, random_weights=seed) for seed in (5, 5, 6))
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, encoder.fingerprint}) == 3
    read = payloads(one)
    assert (one.encode(read)[0][3] != encoder.encode(read)[0][3]).any()


def test_a_tokenizer_with_more_pieces_than_the_encoder_is_refused(encoder_folder, tmp_path):
    folder = shutil.copytree(encoder_folder, tmp_path / "more")
    (folder / "added_tokens.json").write_text(json.dumps({"<%d>" % i: i for i in range(24, 31)}))
    with pytest.raises(
        UserError, match="the tokenizer has 31 pieces and the encoder's config.json a vocab_size of 30: they do not"
    ):
        encoders.load(folder)


def test_a_fingerprint_says_what_decides_the_states(encoder_folder, encoder):
    prints = {encoder.fingerprint}
    prints.add(encoders.load(encoder_folder, layer0="positions").fingerprint)
    prints.add(encoders.load(encoder_folder, precision="mixed_bfloat16").fingerprint)
    assert len(prints) == 3
    assert encoders.load(encoder_folder).fingerprint == encoder.fingerprint


@pytest.mark.parametrize("change", [{"num_attention_heads": 4}, {"hidden_act": "relu"}, {"layer_norm_eps": 1e-3}])
def test_a_fingerprint_says_what_of_the_configuration_decides_the_states(encoder_folder, encoder, tmp_path, change):
    shutil.copytree(encoder_folder, tmp_path / "bert")
    path = tmp_path / "bert" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    changed = encoders.load(tmp_path / "bert")
    read = payloads(encoder)
    assert (changed.encode(read)[0][3] != encoder.encode(read)[0][3]).any()
    assert changed.fingerprint != encoder.fingerprint
    assert changed.earlier == encoder.earlier and encoder.fingerprint.startswith(encoder.earlier + "-")


def test_states_of_its_kin_are_those_of_pytorch(tmp_path):
    """Lexical states begin with the word alone; how often shared layers are computed is in the fingerprint."""
    folder = make.write(tmp_path / "albert", "albert")
    whole, lexical = (encoders.load(folder, layer0=layer0) for layer0 in ("positions", "lexical"))
    assert lexical.layer0 == "lexical: LayerNorm(word embedding), projected"
    assert (whole.widths, whole.max_positions) == ((8, 8, 8), 20)
    for number, states in enumerate(whole.encode(make.inputs())):
        np.testing.assert_allclose(states, make.recorded("albert")["states %d" % number], atol=4e-3)
    first, repeated = lexical.encode([np.array([12, 12], np.int32)])[0][0]
    np.testing.assert_allclose(first, repeated, atol=1e-3)
    more = make.write(tmp_path / "more", "albert", num_hidden_layers=3)
    assert encoders.load(more, layer0="positions").fingerprint != whole.fingerprint


def test_the_file_of_weights_is_known_by_its_checksum(encoder_folder, encoder):
    digest = hashlib.sha256((encoder_folder / "model.safetensors").read_bytes()).hexdigest()
    assert encoder.source == {"hub": False, "sha256": digest}
    assert encoders.source("bert-base-uncased", encoder_folder) == {"hub": True, "sha256": digest}


def test_what_was_made_before_the_configuration_was_told_apart_is_found(encoder, tmp_path):
    corpus = corpora.Corpus(TASKS["pos"], "", {})
    assert study.of_before(encoder, [corpus], tmp_path / "runs", tmp_path / "store") == []
    folders = [tmp_path / "store" / encoder.earlier]
    folders.append(tmp_path / "runs" / "pos" / hashlib.sha1(encoder.earlier.encode()).hexdigest()[:10])
    for folder in folders:
        folder.mkdir(parents=True)
    assert study.of_before(encoder, [corpus], tmp_path / "runs", tmp_path / "store") == folders


def test_bfloat16_is_near(encoder_folder, encoder):
    half = encoders.load(encoder_folder, precision="mixed_bfloat16")
    read = payloads(encoder)
    for exact, near in zip(encoder.encode(read), half.encode(read)):
        for a, b in zip(exact, near):
            np.testing.assert_allclose(a, b, atol=0.1)


@pytest.mark.parametrize(
    ("name", "layers", "mixed"),
    [
        ("lex", (0,), False),
        ("cat", (3, 0), False),
        ("mix", (0, 1, 2, 3), True),
        ("top_2", (2,), False),
        ("mix_0", (0,), True),
        ("mix_2", (0, 1, 2), True),
    ],
)
def test_representations(encoder, name, layers, mixed):
    assert encoder.representation(name) == encoders.Representation(name, layers, mixed)


@pytest.mark.parametrize("name", ["full", "top_4", "mix_4", "mix_", "top_-1", ""])
def test_representations_that_are_not_there(encoder, name):
    with pytest.raises(UserError, match=f"--representations={name}: expected some of lex, cat, mix, top_0 to top_3"):
        encoder.representation(name)
