"""Tiny encoders of every family, in the layouts of their authors, with weights that a seed decides in every version of
NumPy.
"""

import json
import math
import zipfile

import h5py
import numpy as np
from safetensors.numpy import save_file

LETTERS = "abcdefghijklmnopqrstuvwxyz'.,!-0123456789"
MERGES = "t h|th e</w>|a n|an d</w>|i n|in g</w>|n 't</w>|' t</w>|n o|no t</w>|s h|sh e</w>".split("|")
GPT = {"model_type": "openai-gpt", "n_embd": 8, "n_head": 2, "n_layer": 3, "n_positions": 24, "afn": "gelu"}
ELMO = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 4,
        "cell_clip": 0.6,
        "proj_clip": 0.35,
        "dim": 6,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 3], [2, 4], [4, 2]],
        "n_highway": 1,
        "embedding": {"dim": 3},
        "n_characters": 262,
        "max_characters_per_token": 12,
    },
}
GLOVE, UNITS = 5, 4  # widths of word vectors and of one direction of the MT-LSTM


def uniform(seed, shapes, scale=1.0):
    """{name: float32 array}: PCG64's integers, whose stream never changes, as numbers between -scale and scale."""
    random = np.random.PCG64(seed)
    out = {}
    for name, shape in shapes.items():
        bits = random.random_raw(math.prod(shape)) >> np.uint64(40)
        out[name] = ((bits.astype(np.float64) / 2**23 - 1) * scale).astype(np.float32).reshape(shape)
    return out


def gpt_vocabulary():
    """(pieces, merges): letters inside and at the end of words, and what is merged from them."""
    pieces = ["<unk>", *LETTERS, *(letter + "</w>" for letter in LETTERS), *(pair.replace(" ", "") for pair in MERGES)]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, MERGES


def gpt_shapes(config=GPT):
    """The tensors of transformers' OpenAIGPTModel: {name: shape}."""
    width = config["n_embd"]
    out = {
        "positions_embed.weight": (config["n_positions"], width),
        "tokens_embed.weight": (len(gpt_vocabulary()[0]), width),
    }
    for block in range(config["n_layer"]):
        for name, shape in (
            ("attn.c_attn", (width, 3 * width)),
            ("attn.c_proj", (width, width)),
            ("ln_1", (width,)),
            ("mlp.c_fc", (width, 4 * width)),
            ("mlp.c_proj", (4 * width, width)),
            ("ln_2", (width,)),
        ):
            out["h.%d.%s.weight" % (block, name)] = shape
            out["h.%d.%s.bias" % (block, name)] = shape[-1:]
    return out


def gpt(folder, *, prefix="", **changes):
    """Writes the Hugging Face folder of a GPT of three layers of 8."""
    vocabulary, merges = gpt_vocabulary()
    folder.mkdir()
    config = {**GPT, "vocab_size": len(vocabulary), **changes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    weights = uniform(3, gpt_shapes())
    save_file(
        {prefix + name: value for name, value in weights.items()}, str(folder / "model.safetensors"), {"format": "pt"}
    )
    return folder


def elmo_shapes(options=ELMO):
    """The tensors of a bilm-tf checkpoint: {name: shape}."""
    cnn, rnn = options["char_cnn"], options["lstm"]
    features = sum(number for _, number in cnn["filters"])
    out = {"char_embed": (261, cnn["embedding"]["dim"])}
    for i, (width, number) in enumerate(cnn["filters"]):
        out["CNN/W_cnn_%d" % i], out["CNN/b_cnn_%d" % i] = (1, width, cnn["embedding"]["dim"], number), (number,)
    for i in range(cnn["n_highway"]):
        for kind in ("carry", "transform"):
            out["CNN_high_%d/W_%s" % (i, kind)], out["CNN_high_%d/b_%s" % (i, kind)] = (features, features), (features,)
    out["CNN_proj/W_proj"], out["CNN_proj/b_proj"] = (features, rnn["projection_dim"]), (rnn["projection_dim"],)
    for direction in (0, 1):
        for layer in range(rnn["n_layers"]):
            place = "RNN_%d/RNN/MultiRNNCell/Cell%d/LSTMCell/" % (direction, layer)
            out[place + "B"], out[place + "W_0"] = (4 * rnn["dim"],), (2 * rnn["projection_dim"], 4 * rnn["dim"])
            out[place + "W_P_0"] = (rnn["dim"], rnn["projection_dim"])
    return out


def elmo(folder, options=ELMO, drop=()):
    """Writes the two files of an ELMo whose clipping bites."""
    folder.mkdir()
    (folder / "tiny_options.json").write_text(json.dumps(options))
    with h5py.File(folder / "tiny_weights.hdf5", "w") as file:
        for name, value in uniform(4, elmo_shapes()).items():
            if name not in drop:
                file[name] = value
    return folder


def cove_shapes():
    """The tensors of PyTorch's LSTM(GLOVE, UNITS, num_layers=2, bidirectional=True): {name: shape}."""
    out = {}
    for layer in (0, 1):
        for side in ("", "_reverse"):
            out["weight_ih_l%d%s" % (layer, side)] = (4 * UNITS, 2 * UNITS if layer else GLOVE)
            out["weight_hh_l%d%s" % (layer, side)] = (4 * UNITS, UNITS)
            out["bias_ih_l%d%s" % (layer, side)] = out["bias_hh_l%d%s" % (layer, side)] = (4 * UNITS,)
    return out


def vectors(words):
    """The word vectors that `cove` writes: {word: float32 [GLOVE]}."""
    return uniform(6, dict.fromkeys(words, (GLOVE,)), 2.0)


def cove(folder, words, *, zipped=False, prefix="rnn."):
    """Writes the folder of a CoVe that knows some words."""
    folder.mkdir()
    save_file(
        {prefix + name: value for name, value in uniform(5, cove_shapes()).items()}, str(folder / "mtlstm.safetensors")
    )
    text = "".join(
        "{} {}\n".format(word, " ".join(f"{value:.9g}" for value in row)) for word, row in vectors(words).items()
    )
    if zipped:
        with zipfile.ZipFile(folder / "glove.tiny.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("glove.tiny.txt", text)
    else:
        (folder / "glove.tiny.txt").write_text(text, encoding="utf-8")
    return folder
