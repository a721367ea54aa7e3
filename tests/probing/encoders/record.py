"""Records what the authors' own tools say: python -m tests.probing.encoders.record

Writes recorded/cove.npz and recorded/gpt.npz with PyTorch's LSTM and transformers' PyTorch OpenAIGPTModel over the
weights of make.py (recorded with torch 2.13.0, transformers 4.57.6), and recorded/gpt_pieces.txt with ftfy 6.3.1 and
spaCy 3.8.18: a checksum of the ids that GPT's own procedure gives for each of the first 1,000 sentences of UD English
EWT's dev split, text and vocabulary from the folder of corpora. What a machine lacks the packages for is left as it is.
"""

import json
import os
import re
import sys
import zlib
from pathlib import Path

import numpy as np

from tests.probing.encoders import make

FOLDER = Path(__file__).parent / "recorded"
SENTENCES = ((3, 1), (7, 2), (1, 3), (12, 4))  # positions and seed of each recorded sentence


def cove_inputs():
    """A list of float32 [positions, GLOVE]."""
    return [make.uniform(seed, {"x": (length, make.GLOVE)}, 2.0)["x"] for length, seed in SENTENCES]


def gpt_inputs():
    """A list of int32 [positions] of token ids."""
    size = len(make.gpt_vocabulary()[0])
    values = [make.uniform(10 + seed, {"x": (length,)})["x"] for length, seed in SENTENCES]
    return [((value + 1) / 2 * size).astype(np.int32) % size for value in values]


def cove():
    import torch

    rnn = torch.nn.LSTM(make.GLOVE, make.UNITS, num_layers=2, bidirectional=True, batch_first=True)
    rnn.load_state_dict({name: torch.from_numpy(value) for name, value in make.uniform(5, make.cove_shapes()).items()})
    with torch.inference_mode():
        return {"%d" % i: rnn(torch.from_numpy(x)[None])[0][0].numpy() for i, x in enumerate(cove_inputs())}


def gpt():
    import torch
    from transformers import OpenAIGPTConfig, OpenAIGPTModel

    model = OpenAIGPTModel(OpenAIGPTConfig(**make.GPT, vocab_size=len(make.gpt_vocabulary()[0]))).eval()
    weights = {name: torch.from_numpy(value) for name, value in make.uniform(3, make.gpt_shapes()).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and not [name for name in missing if not name.endswith(("attn.bias", "position_ids"))]
    with torch.inference_mode():
        out = [model(torch.from_numpy(ids)[None].long(), output_hidden_states=True) for ids in gpt_inputs()]
    return {"%d" % i: np.stack([states[0].numpy() for states in each.hidden_states]) for i, each in enumerate(out)}


def sentences(data, count=1000):
    """The first sentences of UD English EWT's dev split, lists of words."""
    out, words = [], []
    for line in (data / "probing/UD_English-EWT/en_ewt-ud-dev.conllu").read_text(encoding="utf-8").split("\n"):
        columns = line.split("\t")
        if columns[0].isdigit():
            words += columns[1].split()
        elif not line and words:
            out.append(words)
            words = []
    return out[:count]


def checksum(ids):
    return f"{zlib.crc32(np.array(ids, np.int32).tobytes()):08x}"


def gpt_pieces(data):
    """The authors' procedure on whole sentences, written down independently of the product."""
    import ftfy
    from spacy.lang.en import English

    folder = data / "probing/gpt1_bpe"
    vocabulary = json.loads((folder / "encoder_bpe_40000.json").read_text(encoding="utf-8"))
    lines = (folder / "vocab_40000.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    ranks = {tuple(line.split()): rank for rank, line in enumerate(lines)}
    cut = English().tokenizer

    def pieces(token):
        word = [*token[:-1], token[-1] + "</w>"]
        while len(word) > 1:
            pair = min(set(zip(word, word[1:])), key=lambda pair: ranks.get(pair, float("inf")))
            if pair not in ranks:
                break
            i, new = 0, []
            while i < len(word):
                joined = i + 1 < len(word) and (word[i], word[i + 1]) == pair
                new.append("".join(word[i : i + 1 + joined]))
                i += 1 + joined
            word = new
        return [vocabulary.get(piece, 0) for piece in word]

    out = []
    for words in sentences(data):
        text = ftfy.fix_text(" ".join(words))
        for old, new in (("—", "-"), ("–", "-"), ("―", "-"), ("…", "..."), ("´", "'")):
            text = text.replace(old, new)
        text = re.sub(r"""(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|\\+|\/+|\*+|\[+|\]+|}+|{+|\|+|_+)""", r" \1 ", text)
        text = re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", " \n ", text)).strip()
        out.append(checksum([number for token in cut(text) for number in pieces(token.text.lower())]))
    return out


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, make_it in (("cove", cove), ("gpt", gpt)):
        try:
            np.savez(FOLDER / (name + ".npz"), **make_it())
        except ImportError as error:
            print(f"{name}: left as it is, {error}", file=sys.stderr)
    data = Path(os.environ.get("NLP_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
    try:
        (FOLDER / "gpt_pieces.txt").write_text("\n".join(gpt_pieces(data)) + "\n")
    except ImportError as error:
        print(f"gpt_pieces: left as it is, {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
