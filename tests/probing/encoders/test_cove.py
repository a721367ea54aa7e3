"""probing.encoders.cove: PyTorch's own LSTM, GloVe read once for the words that occur, unknown words, broken files."""

import struct
import zipfile

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nsmc_bert.base.errors import UserError
from probing import encoders
from probing.encoders import cove as module
from probing.encoders import lstm
from tests.probing.encoders import make, record

WORDS = ["the", "cat", "The", "sat", "재미있네요", "n't", "-LRB-", ".", "U.S."]
SENTENCES = [
    ["The", "cat", "sat", "."],
    ["재미있네요", "unheard-of", "."],
    ["."],
    ["the", "cat", "is", "n't", "-LRB-", "the", "U.S."],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make.cove(tmp_path_factory.mktemp("cove") / "cove", WORDS)


@pytest.fixture
def encoder(folder):
    return encoders.load(f"cove:{folder}")


@pytest.fixture
def readings(monkeypatch):
    """How many words were looked for, each time that GloVe was read."""
    out, read = [], module.Glove.read

    def counted(self, words, vectors):
        out.append(len(words))
        return read(self, words, vectors)

    monkeypatch.setattr(module.Glove, "read", counted)
    return out


def payloads(encoder, sentences=SENTENCES):
    return [sentence.payload for sentence in encoder.read(sentences)]


def test_the_lstm_is_pytorchs(encoder):
    inputs = record.cove_inputs()
    packing = lstm.Packing([len(x) for x in inputs])
    states = encoder.context(packing.pack(inputs), packing.sizes).numpy()[packing.where(len(packing.sizes))]
    with np.load(record.FOLDER / "cove.npz") as recorded:
        for number, x in enumerate(inputs):
            np.testing.assert_allclose(states[number, : len(x)], recorded["%d" % number], atol=1e-5)


def test_layers_are_glove_and_the_upper_lstm(encoder):
    assert encoder.widths == (5, 8)
    known = make.vectors(WORDS)
    for words, states in zip(SENTENCES, encoder.encode(payloads(encoder))):
        inputs = np.stack([known.get(word, np.zeros(5, np.float32)) for word in words])
        assert [layer.dtype for layer in states] == [np.float16] * 2
        np.testing.assert_array_equal(states[0], inputs.astype(np.float16))
        alone = encoder.context(inputs, np.ones(len(words), np.int32)).numpy()
        np.testing.assert_allclose(states[1], alone, atol=1e-3)


def test_words_are_looked_up_as_they_are_written(encoder):
    sentence, other = encoder.read([["The", "the"], ["the", "The"]])
    assert sentence.starts.tolist() == [0, 1, 2]
    assert sentence.key != other.key
    (states,), known = encoder.encode([sentence.payload]), make.vectors(WORDS)
    np.testing.assert_array_equal(states[0], np.stack([known["The"], known["the"]]).astype(np.float16))


def test_glove_is_read_once_for_all_that_was_read(folder, readings):
    said = []
    encoder = encoders.load(f"cove:{folder}", log=said.append)
    train, dev = payloads(encoder, SENTENCES[:2]), payloads(encoder, SENTENCES[2:])
    assert not readings  # nothing is to be encoded yet: the store may hold it all
    for payload in (*train, *dev, *train):
        encoder.encode([payload])
    assert readings == [len({word for words in SENTENCES for word in words})]
    assert said == ["*** GloVe: found 9 of 11 new words; the others are zero vectors"]
    encoder.encode(payloads(encoder, [["the", "dog"], ["unheard-of"]]))
    assert readings[1:] == [1]  # what is known to be unknown is not looked for again
    encoder.encode(payloads(encoder, [["dog", "."]]))
    assert len(readings) == 2


def test_a_zip_file_gives_the_same(folder, encoder, tmp_path):
    zipped = encoders.load(str(make.cove(tmp_path / "cove", WORDS, zipped=True, prefix="")))
    for one, other in zip(encoder.encode(payloads(encoder)), zipped.encode(payloads(zipped))):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)
    assert zipped.fingerprint.split("-")[0] == encoder.fingerprint.split("-")[0]


def test_weights_in_hdf5(folder, encoder, tmp_path):
    other = make.cove(tmp_path / "cove", WORDS)
    with h5py.File(other / "mtlstm.h5", "w") as file:
        for name, value in load_file(folder / "mtlstm.safetensors").items():
            file[name] = value
    (other / "mtlstm.safetensors").unlink()
    assert encoders.load(str(other)).fingerprint == encoder.fingerprint


def test_words_with_spaces_and_a_first_line_of_counts(tmp_path):
    folder = make.cove(tmp_path / "cove", ["a", "."])
    text = (folder / "glove.tiny.txt").read_text()
    (folder / "glove.tiny.txt").write_text("3 5\n. . . 9 9 9 9 9\n" + text + "a 8 8 8 8 8 \n")
    encoder = encoders.load(str(folder))
    states = encoder.encode(payloads(encoder, [[".", "a"]]))[0][0]
    known = make.vectors(["a", "."])
    np.testing.assert_array_equal(states, np.stack([known["."], known["a"]]).astype(np.float16))


def test_a_long_sentence(encoder):
    (states,) = encoder.encode(payloads(encoder, [["the", "cat"] * 400]))
    assert states[1].shape == (800, 8) and np.isfinite(states[1]).all()
    assert len(states[0]) < encoder.max_positions


def test_random_weights_read_no_glove(folder, encoder, readings):
    one, same, other = (encoders.load(str(folder), random_weights=seed) for seed in (5, 5, 6))
    states = [each.encode(payloads(each))[3] for each in (one, same, other)]
    assert not readings
    for layer in (0, 1):
        np.testing.assert_array_equal(states[0][layer], states[1][layer])
        assert (states[0][layer] != states[2][layer]).any()
    np.testing.assert_array_equal(states[0][0][0], states[0][0][5])  # the same word
    assert len({each.fingerprint for each in (one, other, encoder)}) == 3 and one.fingerprint == same.fingerprint


def test_a_fingerprint_says_what_decides_the_states(encoder, tmp_path):
    prints = {encoder.fingerprint}
    prints.add(encoders.load(str(make.cove(tmp_path / "a", WORDS[1:]))).fingerprint)
    changed = make.cove(tmp_path / "b", WORDS)
    weights = load_file(changed / "mtlstm.safetensors")
    save_file({**weights, "rnn.bias_ih_l1": weights["rnn.bias_ih_l1"] + 1}, changed / "mtlstm.safetensors")
    prints.add(encoders.load(str(changed)).fingerprint)
    prints.add(encoders.load(encoder.name, precision="mixed_bfloat16").fingerprint)
    assert len(prints) == 4


def test_representations(encoder):
    assert encoder.published == ("lex", "full")
    assert encoder.representation("lex") == encoders.Representation("lex", (0,))
    assert encoder.representation("full") == encoders.Representation("full", (0, 1))
    for name in ("mix", "top_1", "cat"):
        with pytest.raises(UserError, match=f"--representations={name}: expected some of lex, full$"):
            encoder.representation(name)


def test_layer0_has_no_positions(folder):
    message = "--layer0=positions: found an encoder whose layer 0 knows no positions, cove:.*; expected lexical"
    with pytest.raises(UserError, match=message):
        encoders.load(f"cove:{folder}", layer0="positions")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "the 1 2 3 4",
            r"glove.tiny.txt:3: found 4 numbers behind 'the', expected a word and 5 numbers, as the LSTM's",
        ),
        ("the 1 2 3 4 5 6", r"glove.tiny.txt:3: found 6 numbers behind 'the', expected a word and 5 numbers"),
        ("new 1 nan 3 4 5", r"glove.tiny.txt:3: found 'new 1 nan 3 4 5', expected a word and 5 numbers"),
        ("other 1", r"glove.tiny.txt:3: found 1 numbers behind 'other', expected"),
        ("", r"glove.tiny.txt:3: found 0 numbers behind '', expected"),
        ("new 1 2 x 4 5", r"glove.tiny.txt:3: found 'new 1 2 x 4 5', expected a word and 5 numbers"),
    ],
)
def test_a_broken_line_of_glove(tmp_path, line, message):
    folder = make.cove(tmp_path / "cove", WORDS)
    lines = (folder / "glove.tiny.txt").read_text(encoding="utf-8").split("\n")
    (folder / "glove.tiny.txt").write_text("\n".join([*lines[:2], line, *lines[2:]]), encoding="utf-8")
    encoder = encoders.load(str(folder))
    with pytest.raises(UserError, match=message):
        encoder.encode(payloads(encoder, [["the", "new", "word"]]))


@pytest.mark.parametrize("line", ["the 1 2 3", "the 1 2 3 4 5 6 7"])
def test_vectors_of_another_width(tmp_path, line):
    folder = make.cove(tmp_path / "cove", [])
    (folder / "glove.tiny.txt").write_text(line + "\n")
    encoder = encoders.load(str(folder))
    with pytest.raises(
        UserError, match=r"glove.tiny.txt:1: found \d numbers behind 'the', expected a word and 5 numbers"
    ):
        encoder.encode(payloads(encoder, [["the"]]))


def test_glove_files_that_are_broken(tmp_path):
    folder = make.cove(tmp_path / "cove", WORDS, zipped=True)
    path = folder / "glove.tiny.zip"
    whole = path.read_bytes()
    # a byte of the packed text
    path.write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    encoder = encoders.load(str(folder))
    with pytest.raises(
        UserError, match=r"glove.tiny.zip: found (no whole|a damaged) zip file|glove.tiny.zip:\d+: found"
    ):
        encoder.encode(payloads(encoder))
    path.write_bytes(whole[:-30])
    with pytest.raises(
        UserError, match=r"glove.tiny.zip: found no whole zip file \(.*\), expected one; fetch it again"
    ):
        encoders.load(str(folder))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.md", "")
    with pytest.raises(UserError, match=r"glove.tiny.zip: found 0 text files inside, expected one, of vectors"):
        encoders.load(str(folder))
    path.unlink()
    with pytest.raises(UserError, match=r"found no glove\*.txt or glove\*.zip, expected one of them, such as"):
        encoders.load(f"cove:{folder}")


def without(name):
    return lambda weights: {key: value for key, value in weights.items() if key != "rnn." + name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("bias_hh_l1_reverse"), r"mtlstm.safetensors: found no tensor bias_hh_l1_reverse, expected it, \[16\]"),
        (
            without("weight_hh_l0"),
            r"mtlstm.safetensors: found no matrix weight_hh_l0, expected the tensors of a bidirectional",
        ),
        (
            lambda weights: {**weights, "rnn.weight_ih_l1": np.zeros((16, 4), np.float32)},
            r"mtlstm.safetensors: found weight_ih_l1 of shape \[16, 4\], expected \[16, 8\]",
        ),
        (lambda weights: {"other": np.zeros(1)}, r"found no matrix weight_ih_l0"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, change, message):
    folder = make.cove(tmp_path / "cove", WORDS)
    save_file(change(load_file(folder / "mtlstm.safetensors")), folder / "mtlstm.safetensors")
    with pytest.raises(UserError, match=message):
        encoders.load(str(folder))


def test_weights_that_cannot_be_read(tmp_path):
    folder = make.cove(tmp_path / "cove", WORDS)
    path = folder / "mtlstm.safetensors"
    path.write_bytes(struct.pack("<Q", 10) + b"{")
    with pytest.raises(UserError, match="mtlstm.safetensors: found no whole safetensors file"):
        encoders.load(str(folder))
    path.rename(folder / "wmtlstm-8f474287.pth")
    with pytest.raises(UserError, match=r"found wmtlstm-8f474287.pth; a pickle is not loaded .* torch.load\('wmtlstm"):
        encoders.load(str(folder))
    (folder / "wmtlstm-8f474287.pth").rename(folder / "broken.h5")
    with pytest.raises(UserError, match="broken.h5: found no whole HDF5 file"):
        encoders.load(str(folder))
    (folder / "broken.h5").unlink()
    with pytest.raises(UserError, match="found no weights, expected CoVe"):
        encoders.load(str(folder))
