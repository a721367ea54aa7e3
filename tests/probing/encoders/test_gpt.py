"""probing.encoders.gpt: PyTorch's own states, the authors' own pieces, every layout of files, what is broken."""

import json
import random
import shutil
import sys
import tarfile
import types

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nsmc_bert.base.errors import UserError
from probing import encoders
from probing.encoders import gpt as module
from tests.probing.encoders import make, record

SENTENCES = [["The", "thing", "!!"], ["Isn't", "she", "an", "and"], ["not"]]


@pytest.fixture(scope="module", autouse=True)
def without_spacy():
    """The same pieces on every machine; what is said of ftfy and spaCy themselves asks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ftfy", None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make.gpt(tmp_path_factory.mktemp("gpt") / "gpt")


@pytest.fixture(scope="module")
def encoder(folder):
    return encoders.load(str(folder), layer0="positions")


@pytest.fixture(scope="module")
def published(data_dir):
    """The authors' own byte pairs."""
    return module.BytePairs.load(data_dir / "probing" / "gpt1_bpe")


def payloads(encoder, sentences=SENTENCES):
    return [sentence.payload for sentence in encoder.read(sentences)]


def test_states_are_pytorchs(encoder):
    inputs = record.gpt_inputs()
    with np.load(record.FOLDER / "gpt.npz") as recorded:
        for number, ids in enumerate(inputs):
            expected = recorded["%d" % number]
            assert len(expected) == 4
            for layer, wanted in zip(encoder.layers(ids[None]), expected, strict=True):
                np.testing.assert_allclose(layer[0], wanted, atol=1e-5)
        for number, states in enumerate(encoder.encode(inputs)):  # of different lengths in one batch
            for layer, wanted in zip(states, recorded["%d" % number]):
                assert layer.dtype == np.float16
                np.testing.assert_allclose(layer, wanted, atol=3e-3)


def test_the_lexical_layer_is_the_token_embedding(folder, encoder):
    lexical = encoders.load(str(folder))
    (ids,) = payloads(lexical, [["the", "thing", "the"]])
    (states,), (other,) = lexical.encode([ids]), encoder.encode([ids])
    rows = load_file(folder / "model.safetensors")["tokens_embed.weight"][ids]
    np.testing.assert_array_equal(states[0], rows.astype(np.float16))
    assert (other[0] != states[0]).any()
    for layer in (1, 2, 3):
        np.testing.assert_array_equal(states[layer], other[layer])
    assert lexical.fingerprint != encoder.fingerprint


def test_what_comes_later_is_not_seen(encoder):
    short, long = encoder.encode(payloads(encoder, [["she", "not"], ["she", "not", "and"]]))
    for a, b in zip(short, long):
        np.testing.assert_allclose(a, b[:2], atol=2e-3)


def test_a_sentence_beyond_the_encoders_length(folder, monkeypatch):
    monkeypatch.setattr(module, "MARGIN", 8)
    encoder = encoders.load(str(folder))
    (ids,) = payloads(encoder, [["the", "and", "not", "she"] * 15])
    assert len(ids) == 60 > encoder.max_positions == 24
    (states,) = encoder.encode([ids])
    assert {layer.shape for layer in states} == {(60, 8)}
    rows = load_file(folder / "model.safetensors")["tokens_embed.weight"][ids]
    np.testing.assert_array_equal(states[0], rows.astype(np.float16))
    # the first window gives all but its margin, the next one goes on behind a margin of its own
    first, second = (encoder.encode([ids[begin : begin + 24]])[0] for begin in (0, 8))
    for layer in (1, 2, 3):
        np.testing.assert_allclose(states[layer][:16], first[layer][:16], atol=2e-3)
        np.testing.assert_allclose(states[layer][16:24], second[layer][8:16], atol=2e-3)
    monkeypatch.setattr(module, "MARGIN", 64)  # as it is, more than such a window has
    assert {layer.shape for layer in encoder.encode([ids])[0]} == {(60, 8)}


def test_words_are_cut_by_themselves(encoder):
    vocabulary, _ = make.gpt_vocabulary()
    sentence = encoder.read([["The", "Isn't", "\u200b", "thing"]])[0]
    pieces = ["the</w>", "i", "s</w>", "n't</w>", "<unk>", "th", "ing</w>"]
    assert [vocabulary[piece] for piece in pieces] == sentence.payload.tolist()
    assert sentence.starts.tolist() == [0, 1, 4, 5, 7]


def test_a_word_that_leaves_no_piece(encoder, monkeypatch):
    monkeypatch.setattr(encoder.tokenizer, "_words", lambda word: [] if word == "\x7f" else [word])
    sentence = encoder.read([["no", "\x7f", "not"]])[0]
    assert (sentence.unknown, sentence.starts.tolist()) == (1, [0, 2, 3, 4])
    assert sentence.payload[2] == encoder.tokenizer.unk_id == 0


def test_pieces_are_the_authors_own(published, data_dir):
    """1,000 sentences of UD English EWT, cut as whole sentences by the authors' procedure: see record.py."""
    expected = (record.FOLDER / "gpt_pieces.txt").read_text().split()
    sentences = record.sentences(data_dir)
    found = [record.checksum([number for word in published(words) for number in word]) for words in sentences]
    assert len(found) == len(expected) == 1000
    assert published.splitter == "rules in place of ftfy and spaCy"
    assert sum(a == b for a, b in zip(found, expected)) == 1000


def test_pieces_with_ftfy_and_spacy_are_all_the_authors_own(data_dir, monkeypatch):
    monkeypatch.delitem(sys.modules, "ftfy")
    pytest.importorskip("ftfy")
    pytest.importorskip("spacy")
    tokenizer = module.BytePairs.load(data_dir / "probing" / "gpt1_bpe")
    assert tokenizer.splitter.startswith("spaCy")
    expected = (record.FOLDER / "gpt_pieces.txt").read_text().split()
    for words, wanted in zip(record.sentences(data_dir), expected, strict=True):
        assert record.checksum([number for word in tokenizer(words) for number in word]) == wanted, words


def test_pieces_of_the_recorded_gpt(published, data_dir):
    folder = data_dir / "probing" / "gpt1_fixture" / "allennlp"
    expected = json.loads((folder / "indexed_text.json").read_text())
    for line, ids in zip((folder / "text.txt").read_text().split("\n"), expected):
        assert [number for word in published(line.split()) for number in word] == ids


def test_merges_are_those_of_another_implementation(published, data_dir):
    """The tokenizers library over the authors' vocabulary, on words of every letter that it knows and some that it does
    not.
    """
    from tokenizers import models

    folder = data_dir / "probing" / "gpt1_bpe"
    vocabulary = json.loads((folder / "encoder_bpe_40000.json").read_text(encoding="utf-8"))
    merges = [
        tuple(line.split()) for line in (folder / "vocab_40000.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    ]
    other = models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", end_of_word_suffix="</w>")
    draw, letters = random.Random(0), [piece for piece in vocabulary if len(piece) == 1] + list("한é漢\U0001f600")
    common = [piece.removesuffix("</w>") for piece in vocabulary]
    for _ in range(3000):
        word = "".join(draw.choice(draw.choice([letters, common])) for _ in range(draw.randint(1, 5))).strip()
        if word and " " not in word:
            assert published.pieces(word) == [token.id for token in other.tokenize(word)], word


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("Don't!!!", ["do", "n't", "!", "!", "!"]),
        ("“It’s", ['"', "it", "'s"]),
        ("n't", ["n't"]),
        ("'m", ["'", "m"]),
        ("U.S.", ["u.s."]),
        ("Mr.", ["mr."]),
        ("end.", ["end", "."]),
        ("NATO.", ["nato", "."]),
        ("well-known", ["well", "-", "known"]),
        ("--", ["--"]),
        ("…", ["..."]),
        ("wait...", ["wait", "..."]),
        ("(50%)", ["(", "50", "%", ")"]),
        ("$3.5m", ["$", "3.5", "m"]),
        ("and/or", ["and", "/", "or"]),
        ("a.b@c.com", ["a.b@c.com"]),
        ("영화", ["영화"]),
        ("—", ["-"]),
        ("´", ["'"]),
        ("", []),
    ],
)
def test_rules_in_place_of_spacy(word, parts):
    assert module._split(word) == parts


def test_ftfy_comes_first_then_the_standard_then_spacy(monkeypatch):
    ftfy, spacy, english = types.ModuleType("ftfy"), types.ModuleType("spacy"), types.ModuleType("spacy.lang.en")
    ftfy.__version__, spacy.__version__ = "6", "3"
    ftfy.fix_text = lambda text: text.replace("&quot;", '"')
    tokenizer = lambda text: [types.SimpleNamespace(text=part) for part in text.split(" ")]  # noqa: E731
    english.English = lambda: types.SimpleNamespace(tokenizer=tokenizer)
    fakes = {"ftfy": ftfy, "spacy": spacy, "spacy.lang": types.ModuleType("spacy.lang"), "spacy.lang.en": english}
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    name, words = module._splitter()
    assert name == "spaCy 3 and ftfy 6"
    assert words("&quot;Oh—") == ['"', "oh", "-"]


def test_every_layout_of_files_gives_the_same(folder, encoder, tmp_path):
    vocabulary, merges = make.gpt_vocabulary()
    weights = load_file(folder / "model.safetensors")
    prefixed = make.gpt(tmp_path / "prefixed", prefix="transformer.")
    # TensorFlow's names and shapes
    h5 = tmp_path / "h5"
    shutil.copytree(folder, h5)
    (h5 / "model.safetensors").unlink()
    with h5py.File(h5 / "tf_model.h5", "w") as file:
        for name, value in weights.items():
            value = value[None] if ".c_" in name and name.endswith("bias") else value
            if ".ln_" in name:
                name = name.replace("weight", "gamma").replace("bias", "beta")
            name = name.replace("positions_embed.weight", "positions_embed.embeddings").replace(".", "/")
            name = name.replace("h/", "h_._") if name.startswith("h/") else name
            file[f"transformer/tf_open_aigptlm_head_model/transformer/{name}:0"] = value
    # the authors' own
    authors = tmp_path / "authors"
    authors.mkdir()
    shapes = [
        [1, *value.shape] if ".c_" in name and value.ndim == 2 else list(value.shape) for name, value in weights.items()
    ]
    names = list(make.gpt_shapes())
    shapes = dict(zip(weights, shapes))
    (authors / "params_shapes.json").write_text(json.dumps([shapes[name] for name in names]))
    flat = np.concatenate([weights[name].reshape(-1) for name in names])
    for number, part in enumerate(np.array_split(flat, 12)):
        np.save(authors / ("params_%d.npy" % number), part)
    (authors / "config.json").write_text((folder / "config.json").read_text())
    (authors / "encoder_bpe_40000.json").write_text(json.dumps(vocabulary))
    shutil.copy(folder / "merges.txt", authors / "vocab_40000.bpe")
    for other in (prefixed, h5, authors):
        assert encoders.load(str(other), layer0="positions").fingerprint == encoder.fingerprint, other
    # a tokenizer.json has both files in one
    for form in (merges, [pair.split(" ") for pair in merges]):
        (h5 / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary, "merges": form}}))
        (h5 / "vocab.json").unlink(missing_ok=True)
        assert encoders.load(str(h5), layer0="positions").fingerprint == encoder.fingerprint


def test_the_authors_files_without_a_config(data_dir, tmp_path):
    """A tiny checkpoint in the authors' layout, from AllenNLP's tests."""
    with tarfile.open(data_dir / "probing" / "gpt1_fixture" / "allennlp" / "transformer_small.tar.gz") as archive:
        for member in archive.getmembers():
            if member.isfile():
                (tmp_path / member.name.rpartition("/")[2]).write_bytes(archive.extractfile(member).read())
    encoder = encoders.load(str(tmp_path))
    assert (encoder.widths, encoder.max_positions) == ((10, 10, 10), 50)
    flat = np.concatenate([np.load(tmp_path / ("params_%d.npy" % number)) for number in (0, 1)])
    states = encoder.encode(payloads(encoder, [["wow", "ewe"]]))[0]
    (ids,) = payloads(encoder, [["wow", "ewe"]])
    np.testing.assert_array_equal(states[0], flat[500:1000].reshape(50, 10)[ids].astype(np.float16))
    assert encoder._heads == 1 and np.isfinite(states[2]).all()


@pytest.mark.parametrize("change", [{"n_head": 4}, {"afn": "silu"}, {"layer_norm_epsilon": 0.1}])
def test_a_fingerprint_says_what_of_the_configuration_decides_the_states(encoder, tmp_path, change):
    changed = encoders.load(str(make.gpt(tmp_path / "gpt", **change)), layer0="positions")
    (ids,) = payloads(encoder, [["she", "not", "and"]])
    assert (changed.encode([ids])[0][3] != encoder.encode([ids])[0][3]).any()
    assert changed.fingerprint != encoder.fingerprint
    # what was computed with the fixed epsilon is told from what goes by config.json
    assert changed.earlier == (encoder.fingerprint if "layer_norm_epsilon" in change else "")


def test_random_weights_are_the_seeds(folder, encoder):
    one, same, other = (encoders.load(str(folder), layer0="positions", random_weights=seed) for seed in (5, 5, 6))
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, encoder.fingerprint}) == 3
    assert (one.encode(payloads(one))[0][3] != encoder.encode(payloads(encoder))[0][3]).any()


def test_bfloat16_is_near(folder, encoder):
    half = encoders.load(str(folder), layer0="positions", precision="mixed_bfloat16")
    for exact, near in zip(encoder.encode(payloads(encoder)), half.encode(payloads(half))):
        for a, b in zip(exact, near):
            np.testing.assert_allclose(a, b, atol=0.15)
    assert half.fingerprint != encoder.fingerprint


def test_representations(encoder):
    assert encoder.published == ("lex", "cat", "mix")
    assert encoder.representation("cat") == encoders.Representation("cat", (3, 0))
    assert encoder.representation("mix_2") == encoders.Representation("mix_2", (0, 1, 2), True)
    with pytest.raises(UserError, match="--representations=full: expected some of lex, cat, mix, top_0 to top_3"):
        encoder.representation("full")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_head": 3}, "config.json: found n_embd 8, expected a multiple of n_head, 3"),
        ({"n_layer": 0}, "config.json: found n_layer 0, expected a positive whole number"),
        ({"n_layer": 2}, "found weights of more layers, expected n_layer of config.json, 2"),
        ({"n_layer": 4}, r"found no weights h.3.attn.c_attn.weight, expected \[8, 24\] by config.json"),
        ({"n_layer": 10**9}, "config.json: found n_layer 1000000000, expected at most 1000"),
        (
            {"n_embd": 10**9},
            r"found positions_embed.weight of shape \[24, 8\], expected \[24, 1000000000\] by config.json",
        ),
        ({"n_embd": 16}, r"found positions_embed.weight of shape \[24, 8\], expected \[24, 16\] by config.json"),
        ({"vocab_size": 500}, r"found tokens_embed.weight of shape \[\d+, 8\], expected \[500, 8\] by config.json"),
        (
            {"layer_norm_epsilon": "small"},
            "config.json: found layer_norm_epsilon 'small', expected a number from 0 to 1",
        ),
        ({"afn": "tanh"}, "config.json: found afn 'tanh', expected one of gelu, relu, silu, swish"),
    ],
)
def test_a_config_that_does_not_fit(tmp_path, changes, message):
    folder = make.gpt(tmp_path / "gpt", **changes)
    with pytest.raises(UserError, match=message):
        encoders.load(str(folder))


@pytest.mark.parametrize("changes", [{"n_embd": 10**9}, {"n_positions": 10**12}, {"vocab_size": 10**12}])
def test_random_weights_that_no_memory_holds(tmp_path, changes):
    folder = make.gpt(tmp_path / "gpt", **changes)
    with pytest.raises(
        UserError, match="gpt, its configuration: found sizes of .* parameters, .* GB; expected what fits"
    ):
        encoders.load(str(folder), random_weights=1)


def test_files_that_are_broken(tmp_path):
    folder = make.gpt(tmp_path / "gpt")
    vocabulary, merges = make.gpt_vocabulary()

    def refused(message):
        with pytest.raises(UserError, match=message):
            encoders.load(str(folder))

    (folder / "vocab.json").write_text(json.dumps({**vocabulary, "extra": 5000}))
    refused(r"found a vocabulary of 5001 pieces, expected the embedding's %d, or up to 100 fewer" % len(vocabulary))
    (folder / "vocab.json").write_text("[]")
    refused(r"vocab.json: found \[\], expected a JSON object")
    (folder / "vocab.json").write_text("{")
    refused("vocab.json: found no valid JSON")
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nthe\n")
    refused("merges.txt:3: found 'the', expected two pieces with a space between them")
    (folder / "merges.txt").unlink()
    refused(
        "found no byte pairs, expected vocab.json with merges.txt, or encoder_bpe_40000.json with .*, or tokenizer.json"
    )
    (folder / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
    refused("tokenizer.json: found no byte pairs, expected a model of type BPE with its merges")
    for wrong, message in (
        ([5], r"found model.merges\[0\] 5, expected a string or a list"),
        (["t"], r"found the merge \['t'\], expected two"),
    ):
        (folder / "tokenizer.json").write_text(
            json.dumps({"model": {"type": "BPE", "vocab": vocabulary, "merges": wrong}})
        )
        refused("tokenizer.json: " + message)
    (folder / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "BPE", "vocab": vocabulary, "merges": merges}})
    )
    (folder / "model.safetensors").write_bytes(b"\0" * 20)
    refused("model.safetensors: found no whole safetensors file")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")
    refused("found pytorch_model.bin, a pickle, which is not loaded because it can run code")


def test_the_authors_files_broken(tmp_path):
    folder = make.gpt(tmp_path / "gpt")
    (folder / "params_shapes.json").write_text("[]")
    np.save(folder / "params_0.npy", np.zeros(7, np.float32))
    with pytest.raises(
        UserError, match=r"found 7 weights in 1 files params_\*.npy, expected \d+ by params_shapes.json"
    ):
        encoders.load(str(folder))
    (folder / "params_0.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(UserError, match="params_0.npy: found no whole array"):
        encoders.load(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match="params_shapes.json: found no list of shapes"):
        encoders.load(str(folder))


def test_an_object_array_is_not_loaded(tmp_path):
    folder = make.gpt(tmp_path / "gpt")
    (folder / "params_shapes.json").write_text("[]")
    np.save(folder / "params_0.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match="params_0.npy: found no whole array"):
        encoders.load(str(folder))


def test_a_save_of_weights_under_other_names(tmp_path):
    folder = make.gpt(tmp_path / "gpt")
    weights = load_file(folder / "model.safetensors")
    # what transformers saves beside: masks that are no weights, and a language model's head
    more = {"h.0.attn.bias": np.ones((1, 1, 4, 4), np.float32), "lm_head.weight": weights["tokens_embed.weight"]}
    save_file({**weights, **more}, folder / "model.safetensors", {"format": "pt"})
    assert encoders.load(str(folder)).widths == (8,) * 4
