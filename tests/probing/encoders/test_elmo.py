"""probing.encoders.elmo: the states of the authors' fixtures, every layer in NumPy, sentences independent of each
other.
"""

import json
import shutil

import h5py
import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from probing import encoders
from probing.encoders import elmo as module
from probing.learning import probe
from tests.probing.encoders import make

SENTENCES = [["The", "cat", "sat", "."], ["안녕하세요", "!"], ["Internationalization", "is", "long"], ["a"]]
FIXTURES = (("allennlp", "sentences.json"), ("bilm-tf/model", "lm_embeddings_sentences.json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make.elmo(tmp_path_factory.mktemp("elmo") / "elmo")


@pytest.fixture(scope="module")
def encoder(folder):
    return encoders.load(f"elmo:{folder}")


@pytest.fixture(scope="module")
def fixture(data_dir):
    return data_dir / "probing" / "elmo_fixture"


def payloads(encoder, sentences=SENTENCES):
    return [sentence.payload for sentence in encoder.read(sentences)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(sentences, state=None, options=make.ELMO):
    """Every layer of sentences by Peters et al.'s formulas, one word and one step at a time; the state is each
    sentence's own.
    """
    weights = {name: value.astype(np.float64) for name, value in make.uniform(4, make.elmo_shapes(options)).items()}
    cnn, rnn, longest = options["char_cnn"], options["lstm"], options["char_cnn"]["max_characters_per_token"]

    def character_layer(codes):
        row = np.full(longest, 260)
        row[: len(codes) + 2] = [258, *codes, 259]
        x, parts = weights["char_embed"][row], []
        for i, (width, _number) in enumerate(cnn["filters"]):
            w, b = weights["CNN/W_cnn_%d" % i][0], weights["CNN/b_cnn_%d" % i]
            seen = [np.einsum("we,wen->n", x[at : at + width], w) + b for at in range(longest - width + 1)]
            parts.append(np.maximum(np.max(seen, 0), 0))
        h = np.concatenate(parts)
        for i in range(cnn["n_highway"]):
            place = "CNN_high_%d/" % i
            gate = sigmoid(h @ weights[place + "W_carry"] + weights[place + "b_carry"])
            h = (
                gate * np.maximum(h @ weights[place + "W_transform"] + weights[place + "b_transform"], 0)
                + (1 - gate) * h
            )
        return h @ weights["CNN_proj/W_proj"] + weights["CNN_proj/b_proj"]

    out, after = [], []
    for number, words in enumerate(sentences):
        codes = [[256], *(list(word.encode()[: longest - 2]) for word in words), [257]]
        inputs = np.stack([character_layer(code) for code in codes])
        sides, ends = [], []
        for direction in (0, 1):
            hidden = inputs[::-1] if direction else inputs
            sides.append([])
            ends.append([])
            for layer in range(rnn["n_layers"]):
                place = "RNN_%d/RNN/MultiRNNCell/Cell%d/LSTMCell/" % (direction, layer)
                c, m = (
                    state[number][direction][layer]
                    if state
                    else (np.zeros(rnn["dim"]), np.zeros(rnn["projection_dim"]))
                )
                steps = []
                for x in hidden:
                    i, j, f, o = np.split(np.concatenate([x, m]) @ weights[place + "W_0"] + weights[place + "B"], 4)
                    c = np.clip(sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j), -rnn["cell_clip"], rnn["cell_clip"])
                    m = np.clip(
                        (sigmoid(o) * np.tanh(c)) @ weights[place + "W_P_0"], -rnn["proj_clip"], rnn["proj_clip"]
                    )
                    steps.append(m + x if layer and rnn["use_skip_connections"] else m)
                ends[-1].append((c, m))
                hidden = np.stack(steps)
                sides[-1].append(hidden[::-1] if direction else hidden)
        out.append([layer[1:-1] for layer in (inputs, *(np.concatenate(pair, 1) for pair in zip(*sides)))])
        after.append(ends)
    return out, after


@pytest.mark.parametrize(("place", "sentences"), FIXTURES)
def test_states_are_the_authors_own(fixture, place, sentences):
    """Ten batches of three sentences, the LSTMs' state going on from batch to batch, as they were recorded."""
    encoder, state = encoders.load(str(fixture / place)), None
    lists = json.loads((fixture / place / sentences).read_text(encoding="utf-8"))
    assert encoder.widths == (16, 32, 32)
    for batch in range(10):
        layers, state = encoder.layers(payloads(encoder, [lists[row][batch].split() for row in range(3)]), state)
        for row in range(3):
            with h5py.File(fixture / place / ("lm_embeddings_%d.hdf5" % row)) as file:
                expected = file[str(batch)][()]
            np.testing.assert_allclose(layers[row][2], np.concatenate(expected, 1), atol=1e-5)


def test_the_character_layer_is_the_authors_own(fixture):
    folder = fixture / "allennlp"
    encoder = encoders.load(str(folder))
    words = (folder / "vocab_test.txt").read_text(encoding="utf-8").split("\n")
    with h5py.File(folder / "elmo_token_embeddings.hdf5") as file:
        expected = file["embedding"][()]
    spelled = [i for i, word in enumerate(words) if word and word not in ("<S>", "</S>")]
    states = encoder.layers(payloads(encoder, [[words[i] for i in spelled]]))[0][0][0]
    np.testing.assert_allclose(states, expected[spelled], atol=1e-5)
    ends = np.full((2, 50), module.PADDING)
    ends[:, :3] = module.BEGIN, module.END
    np.testing.assert_allclose(encoder.characters(ends), expected[[words.index("<S>"), words.index("</S>")]], atol=1e-5)


def test_every_layer_by_hand(encoder):
    expected, _ = by_hand(SENTENCES)
    for states, wanted in zip(encoder.layers(payloads(encoder))[0], expected, strict=True):
        for layer, by_numpy in zip(states, wanted, strict=True):
            np.testing.assert_allclose(layer, by_numpy, atol=1e-5)
    clip = make.ELMO["lstm"]["proj_clip"]
    assert max(abs(states[1]).max() for states in expected) == clip  # clipping is put to the test


def test_state_goes_on_where_it_is_asked_to(encoder):
    first, second = SENTENCES[:2], SENTENCES[2:]
    _, by_numpy = by_hand(first)
    expected, _ = by_hand(second, by_numpy)
    _, state = encoder.layers(payloads(encoder, first))
    for states, wanted in zip(encoder.layers(payloads(encoder, second), state)[0], expected):
        np.testing.assert_allclose(states[2], wanted[2], atol=1e-5)
    assert abs(expected[0][2] - by_hand(second)[0][0][2]).max() > 1e-3


def test_what_is_stored_begins_at_zero(encoder):
    expected, _ = by_hand(SENTENCES)
    for _ in range(2):
        for states, wanted in zip(encoder.encode(payloads(encoder)), expected):
            assert [layer.dtype for layer in states] == [np.float16] * 3
            for layer, by_numpy in zip(states, wanted):
                np.testing.assert_allclose(layer, by_numpy, atol=2e-3)
    alone = encoder.encode(payloads(encoder, SENTENCES[2:3]))[0]
    for layer, by_numpy in zip(alone, expected[2]):
        np.testing.assert_allclose(layer, by_numpy, atol=2e-3)


def test_words_are_positions(encoder):
    sentence = encoder.read([["Internationalization", "안", "a"]])[0]
    assert sentence.starts.tolist() == [0, 1, 2, 3]
    # ten bytes of the long word; three of the Korean one
    assert sentence.payload[0].tolist() == [258, *b"Internatio", 259]
    assert sentence.payload[1].tolist() == [258, *"안".encode(), 259, *[260] * 7]
    same, other = encoder.read([["a", "bc"], ["ab", "c"]])
    assert same.key != other.key


def test_padding_beyond_one_filter_changes_nothing(encoder):
    short, long = (np.full((1, length), module.PADDING) for length in (7, 12))
    for ids in (short, long):
        ids[0, :3] = [258, ord("a"), 259]
    np.testing.assert_array_equal(encoder.characters(short), encoder.characters(long))


def test_a_long_sentence_and_a_forgetful_cache(folder, monkeypatch):
    monkeypatch.setattr(module, "CACHE", 4)
    encoder = encoders.load(str(folder))
    words = ["w%d" % (i % 7) for i in range(600)]
    (long,) = encoder.encode(payloads(encoder, [words]))
    assert {layer.shape for layer in long} == {(600, 4), (600, 8)}
    (again,) = encoder.encode(payloads(encoder, [words]))
    np.testing.assert_array_equal(long[2], again[2])
    np.testing.assert_allclose(long[2], by_hand([words])[0][0][2], atol=2e-3)
    assert len(payloads(encoder, [words])[0]) < encoder.max_positions


def test_representations(encoder):
    assert encoder.published == ("lex", "full")
    assert encoder.representation("lex") == encoders.Representation("lex", (0,))
    assert encoder.representation("full") == encoders.Representation("full", (0, 1, 2), True)
    assert encoder.representation("top_1") == encoders.Representation("top_1", (1,))
    assert encoder.representation("mix_1") == encoders.Representation("mix_1", (0, 1), True)
    with pytest.raises(
        UserError, match="--representations=cat: expected some of lex, full, top_0 to top_2, mix_0 to mix_2"
    ):
        encoder.representation("cat")


def test_full_mixes_the_character_layer_beside_itself(encoder):
    model = probe.EdgeProbe(encoder.representation("full"), encoder.widths, 1, 3)
    model.mix.w.assign([0.5, -1.0, 0.25])
    model.mix.gamma.assign(1.5)
    layers = [make.uniform(i, {"x": (6, width)})["x"] for i, width in enumerate(encoder.widths)]
    shares = np.exp([0.5, -1.0, 0.25]) / np.exp([0.5, -1.0, 0.25]).sum()
    doubled = [np.concatenate([layers[0], layers[0]], 1), *layers[1:]]
    expected = 1.5 * sum(share * layer for share, layer in zip(shares, doubled))
    np.testing.assert_allclose(model.mix([tf.constant(layer[None]) for layer in layers]), expected, atol=1e-6)
    assert model.pool[0].projection.kernel.shape == (8, probe.PROJECTION)
    lex = probe.EdgeProbe(encoder.representation("lex"), encoder.widths, 1, 3)
    assert lex.pool[0].projection.kernel.shape == (4, probe.PROJECTION)


def test_a_fingerprint_says_what_decides_the_states(folder, encoder, tmp_path):
    prints = {encoder.fingerprint, encoders.load(str(folder), precision="mixed_bfloat16").fingerprint}
    prints |= {encoders.load(str(folder), random_weights=seed).fingerprint for seed in (1, 2)}
    for number, (part, name, value) in enumerate(
        (("lstm", "cell_clip", 3), ("lstm", "use_skip_connections", False), ("char_cnn", "activation", "tanh"))
    ):
        options = json.loads(json.dumps(make.ELMO))
        options[part][name] = value
        prints.add(encoders.load(str(make.elmo(tmp_path / str(number), options))).fingerprint)
    assert len(prints) == 7
    assert encoders.load(f"elmo:{folder}").fingerprint == encoder.fingerprint
    assert encoders.load(str(folder)).name == encoder.name == f"elmo:{folder}"


def test_random_weights_are_the_seeds(folder, encoder):
    one, same, other = (encoders.load(str(folder), random_weights=seed) for seed in (5, 5, 6))
    assert one.widths == encoder.widths and one.name.endswith("random weights (seed 5)")
    first = [each.encode(payloads(each))[0][2] for each in (one, same, other, encoder)]
    np.testing.assert_array_equal(first[0], first[1])
    assert (first[0] != first[2]).any() and (first[0] != first[3]).any()


def test_bfloat16_is_near(folder, encoder):
    half = encoders.load(str(folder), precision="mixed_bfloat16")
    for exact, near in zip(encoder.encode(payloads(encoder)), half.encode(payloads(half))):
        np.testing.assert_array_equal(exact[0], near[0])  # the character layer is exact
        np.testing.assert_allclose(exact[2], near[2], atol=0.03)


def options(**changes):
    out = json.loads(json.dumps(make.ELMO))
    for name, value in changes.items():
        part = "lstm" if name in out["lstm"] else "char_cnn"
        out[part][name] = value
    return out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            options(dim=8),
            r"tiny_weights.hdf5: found RNN_0/.*/W_0 of shape \[8, 24\], expected \[8, 32\] by tiny_options.json",
        ),
        (options(n_layers=3), r"found no weights RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0, expected \[8, 24\]"),
        (options(n_layers=10**9), r"tiny_options.json: found values that make no ELMo, expected lstm"),
        (options(n_highway=10**9), r"tiny_options.json: found values that make no ELMo, expected lstm"),
        (options(dim=10**9), r"found RNN_0/.*/W_0 of shape \[8, 24\], expected \[8, 4000000000\] by tiny_options.json"),
        (
            options(n_layers=1),
            r"found weights RNN_0/RNN/MultiRNNCell/Cell1/LSTMCell/.*, expected none by tiny_options.json",
        ),
        (options(n_highway=0), r"found weights CNN_high_0/.*, expected none"),
        (options(filters=[[1, 3], [2, 4]]), r"found CNN_high_0/W_carry of shape \[9, 9\], expected \[7, 7\]"),
        (options(activation="gelu"), r"tiny_options.json: found no 'gelu', expected lstm \(dim, projection_dim"),
        (options(projection_dim=7), r"tiny_options.json: found values that make no ELMo, expected lstm"),
        (options(dim="6"), r"found values that make no ELMo"),
        (options(cell_clip=-1), r"found values that make no ELMo"),
        ({"lstm": make.ELMO["lstm"]}, r"tiny_options.json: found no char_cnn, expected an ELMo that reads characters"),
        ({"char_cnn": make.ELMO["char_cnn"]}, r"tiny_options.json: found no 'lstm', expected lstm"),
        ([], r"tiny_options.json: found \[\], expected a JSON object"),
    ],
)
def test_options_that_do_not_fit(tmp_path, changed, message):
    folder = make.elmo(tmp_path / "elmo", changed)
    with pytest.raises(UserError, match=message):
        encoders.load(str(folder))


@pytest.mark.parametrize(
    "changed", [options(dim=10**9), options(filters=[[10**9, 10**3]]), options(embedding={"dim": 10**12})]
)
def test_random_weights_that_no_memory_holds(tmp_path, changed):
    changed["char_cnn"]["max_characters_per_token"] = 10**9
    folder = make.elmo(tmp_path / "elmo", changed)
    with pytest.raises(UserError, match="options.json: found sizes of .* parameters, .* GB; expected what fits"):
        encoders.load(str(folder), random_weights=1)


def test_files_that_are_broken(tmp_path, folder):
    broken = make.elmo(tmp_path / "a", drop=["CNN_proj/W_proj"])
    with pytest.raises(
        UserError, match=r"tiny_weights.hdf5: found no weights CNN_proj/W_proj, expected \[9, 4\] by tiny"
    ):
        encoders.load(str(broken))
    (broken / "tiny_weights.hdf5").write_bytes((folder / "tiny_weights.hdf5").read_bytes()[:2000])
    with pytest.raises(
        UserError, match=r"tiny_weights.hdf5: found no whole HDF5 file \(.*\), expected one; fetch it again"
    ):
        encoders.load(str(broken))
    shutil.copy(folder / "tiny_weights.hdf5", broken / "other_weights.hdf5")
    with pytest.raises(
        UserError, match=r"found other_weights.hdf5 and tiny_weights.hdf5, expected one file \*weights.hdf5"
    ):
        encoders.load(str(broken))
    for path in broken.glob("*.hdf5"):
        path.unlink()
    with pytest.raises(UserError, match=r"found no file \*weights.hdf5, expected ELMo"):
        encoders.load(f"elmo:{broken}")
    (broken / "tiny_options.json").write_text("{")
    with pytest.raises(UserError, match="tiny_options.json: found no valid JSON"):
        encoders.load(str(broken))
