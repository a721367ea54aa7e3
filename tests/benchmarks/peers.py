"""What a user would run instead, on PyTorch with none of this project's code: peers.py card | predict | serve |
training | pretraining | elmo | cove …
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["USE_TORCH"] = "1"


def read(path, count):
    rows = [line.split("\t") for line in open(path, encoding="utf-8").read().split("\n")[1:] if line][:count]
    return [row[1] for row in rows], [int(row[2]) for row in rows]


def device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def card():
    """Says what PyTorch computes on."""
    import torch

    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU")


def predict(folder, path, count, batch_size=64):
    """A stock text-classification pipeline, longest reviews first; on a GPU in bfloat16."""
    import torch
    from transformers import pipeline

    texts, _ = read(path, int(count))
    options = dict(torch_dtype=torch.bfloat16) if device() == "cuda" else {}
    classify = pipeline(
        "text-classification", model=folder, device=device(), top_k=None, truncation=True, max_length=128, **options
    )
    classify(texts[:64], batch_size=int(batch_size))
    start = time.perf_counter()
    classify(sorted(texts, key=len, reverse=True), batch_size=int(batch_size))
    print(len(texts) / (time.perf_counter() - start))


def serve(folder):
    """A FastAPI app around a stock pipeline, as its documentation has it; prints its address."""
    import socket

    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel
    from transformers import pipeline

    classify = pipeline(
        "text-classification", model=folder, device=device(), top_k=None, truncation=True, max_length=128
    )
    app = FastAPI()

    class Question(BaseModel):
        instances: list[str]

    @app.post("/predict")
    def predict(question: Question):
        return classify(question.instances)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        print("http://127.0.0.1:%d/" % taken.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[taken])


def training(path, count, layers=4, width=256, heads=4, family="bert", batch=128):
    """The Trainer with bf16 and batches grouped by length, one epoch; its start and first steps are not timed where
    there are many.
    """
    import sentencepiece
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Clock(TrainerCallback):
        """Notes when the first steps and when all were done."""

        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 10:
                self.began = self._now()

        def on_train_end(self, args, state, control, **kwargs):
            self.ended = self._now()

        def _now(self):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return time.perf_counter()

    pieces = sentencepiece.SentencePieceProcessor(
        model_file=str(Path(__file__).parents[2] / "nsmc_bert" / "bundled" / "encoder" / "spiece.model")
    )
    batch, (texts, labels) = int(batch), read(path, int(count))
    data = [
        {"input_ids": [2, *ids[:126], 3], "labels": label, "length": min(len(ids), 126) + 2}
        for ids, label in zip(pieces.encode(texts), labels)
    ]

    def collate(rows):
        longest = max(row["length"] for row in rows)
        ids = torch.tensor([row["input_ids"] + [0] * (longest - row["length"]) for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).long(),
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    config = AutoConfig.for_model(
        family,
        vocab_size=8000,
        hidden_size=int(width),
        num_hidden_layers=int(layers),
        num_attention_heads=int(heads),
        intermediate_size=4 * int(width),
        max_position_embeddings=130,
        embedding_size=128,
        pad_token_id=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=batch,
            num_train_epochs=1,
            learning_rate=2e-4,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=device() == "cpu",
            bf16=True,
            group_by_length=True,
            length_column_name="length",
            remove_unused_columns=False,
            logging_strategy="no",
        )
        trainer = Trainer(
            model=AutoModelForSequenceClassification.from_config(config),
            args=arguments,
            train_dataset=data,
            data_collator=collate,
            callbacks=[clock := Clock()],
        )
        from transformers.trainer_pt_utils import LengthGroupedSampler

        lengths = [row["length"] for row in data]
        trainer._get_train_sampler = lambda *_, **__: LengthGroupedSampler(batch, lengths=lengths)
        result = trainer.train()
        if result.global_step < 50:
            print(result.metrics["train_samples_per_second"])
        else:
            print((len(data) - 10 * batch) / (clock.ended - clock.began))


def pretraining(path, count, layers=4, width=256, heads=4, budget=3072):
    """Tokens a second of masked language modelling in a plain loop over rows of 128 packed with reviews, layers
    compiled, bfloat16; padding not counted, after three warm-up steps."""
    import sentencepiece
    import torch
    from torch import nn
    from torch.nn import functional

    layers, width, heads, rows = int(layers), int(width), int(heads), int(budget) // 128
    model_file = str(Path(__file__).parents[2] / "nsmc_bert" / "bundled" / "encoder" / "spiece.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=model_file)
    ids, segments, place, used = [[]], [[]], 0, 0
    for text in pieces.encode(read(path, int(count))[0]):  # next fit, in the order that they come in
        text = [2, *text[:126], 3]
        if len(ids[-1]) + len(text) > 128:
            ids.append([])
            segments.append([])
            place = 0
        place, used = place + 1, used + len(text)
        ids[-1] += text
        segments[-1] += [place] * len(text)
    ids, segments = (
        torch.tensor([row + [0] * (128 - len(row)) for row in each]).to(device()) for each in (ids, segments)
    )

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-12) for _ in range(2))

        def forward(self, x, mask):
            q, k, v = self.qkv(x).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
            x = self.norms[0](
                x + self.out(functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2))
            )
            return self.norms[1](x + self.down(functional.gelu(self.up(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places, self.norm = (
                nn.Embedding(8000, width),
                nn.Embedding(128, width),
                nn.LayerNorm(width, eps=1e-12),
            )
            self.layers = nn.ModuleList(Layer() for _ in range(layers))
            self.transform, self.last, self.bias = (
                nn.Linear(width, width),
                nn.LayerNorm(width),
                nn.Parameter(torch.zeros(8000)),
            )

        def forward(self, ids, segments, hidden):
            along = torch.arange(128, device=ids.device)
            starts = torch.cummax(torch.where(ids == 2, along, 0), 1)[0]
            x = self.norm(self.words(ids) + self.places(along - starts))
            mask = (segments[:, :, None] == segments[:, None, :])[:, None]
            for layer in self.layers:
                x = layer(x, mask)
            x = self.last(functional.gelu(self.transform(x.flatten(0, 1)[hidden])))
            return functional.linear(x, self.words.weight, self.bias)

    model = Model().to(device())
    if device() == "cuda":
        for layer in model.layers:
            layer.compile(dynamic=False)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=device() == "cuda")
    hidden_places = int(rows * 128 * 0.18)

    def step(number):
        batch = slice(number * rows, (number + 1) * rows)
        there = ids[batch]
        draws = torch.rand(there.shape, device=there.device) + (there < 5)
        hidden = draws.flatten().topk(hidden_places, largest=False).indices
        masked = there.flatten().index_fill(0, hidden, 4).view_as(there)
        with torch.autocast(device(), torch.bfloat16):
            said = model(masked, segments[batch], hidden)
        loss = functional.cross_entropy(said.float(), there.flatten()[hidden])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    steps = len(ids) // rows
    if steps < 1:
        raise SystemExit("too few reviews for one batch")
    for number in range(3):
        step(number % steps).item()
    start = time.perf_counter()
    for number in range(steps):
        loss = step(number)
    loss.item()
    print(used * (steps * rows / len(ids)) / (time.perf_counter() - start))


def cove(path, count):
    """Sentences a second of PyTorch's LSTM over packed batches of 64, longest first, as CoVe's authors run it; float16
    out.
    """
    import torch

    sentences = _sentences(path, int(count))
    numbers = {word: i for i, word in enumerate(dict.fromkeys(word for words in sentences for word in words))}
    vectors = 0.4 * torch.randn(len(numbers), 300)
    rnn = torch.nn.LSTM(300, 300, num_layers=2, bidirectional=True, batch_first=True).eval()

    def encode(batch):
        rows = [vectors[[numbers[word] for word in words]] for words in batch]
        packed = torch.nn.utils.rnn.pack_sequence(rows)
        states, lengths = torch.nn.utils.rnn.pad_packed_sequence(rnn(packed)[0], batch_first=True)
        states = states.half()
        return [states[i, :length].numpy() for i, length in enumerate(lengths)]

    _sentences_a_second(encode, sentences)


def elmo(path, count):
    """Sentences a second of ELMo's layers in PyTorch, batches of 64, longest first: the CNN over every word of a batch,
    one product over all steps for an LSTM's inputs, then one a step, as its clipping does not let PyTorch's own LSTM be
    used.
    """
    import torch
    from torch import nn

    sentences = _sentences(path, int(count))
    filters = [(1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)]
    embedding, project = nn.Embedding(262, 16), nn.Linear(2048, 512)
    convolutions = nn.ModuleList(nn.Conv1d(16, number, width) for width, number in filters)
    highways = nn.ModuleList(nn.Linear(2048, 4096) for _ in range(2))
    inputs = [[nn.Linear(512, 4 * 4096) for _ in range(2)] for _ in range(2)]
    states = [[nn.Linear(512, 4 * 4096, bias=False) for _ in range(2)] for _ in range(2)]
    outputs = [[nn.Linear(4096, 512, bias=False) for _ in range(2)] for _ in range(2)]

    def run(x, lengths, direction, layer):
        projected = inputs[direction][layer](x)
        hidden, cell, out = torch.zeros(len(x), 512), torch.zeros(len(x), 4096), []
        for step in range(x.shape[1]):
            enter, keep, candidate, leave = (projected[:, step] + states[direction][layer](hidden)).chunk(4, 1)
            cell = (torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(candidate)).clamp(-3, 3)
            hidden = outputs[direction][layer](torch.sigmoid(leave) * torch.tanh(cell)).clamp(-3, 3)
            out.append(hidden)
        return torch.stack(out, 1)

    def encode(batch):
        longest = len(batch[0]) + 2
        ids, lengths = (
            torch.zeros(len(batch), longest, 50, dtype=torch.long),
            torch.tensor([len(words) + 2 for words in batch]),
        )
        for line, words in zip(ids, batch):
            for row, word in zip(line, ["S", *words, "E"]):
                codes = list(word.encode()[:48])
                row[: len(codes) + 2] = torch.tensor([259, *codes, 260])
        x = embedding(ids.reshape(-1, 50)).transpose(1, 2)
        x = torch.relu(torch.cat([layer(x).amax(2) for layer in convolutions], 1))
        for highway in highways:
            made, gate = highway(x).chunk(2, 1)
            gate = torch.sigmoid(gate)
            x = gate * torch.relu(made) + (1 - gate) * x
        x = project(x).reshape(len(batch), longest, 512)
        order = torch.arange(longest)[None]
        order = torch.where(order < lengths[:, None], lengths[:, None] - 1 - order, order)[:, :, None].expand(
            -1, -1, 512
        )
        layers = [torch.cat([x, x], 2)]
        ahead, behind = x, x.gather(1, order)
        for layer in range(2):
            ahead, behind = (
                run(side, lengths, direction, layer) + (side if layer else 0)
                for direction, side in enumerate((ahead, behind))
            )
            layers.append(torch.cat([ahead, behind.gather(1, order)], 2))
        layers = torch.stack(layers).half()
        return [layers[:, i, 1 : length - 1].numpy() for i, length in enumerate(lengths.tolist())]

    _sentences_a_second(encode, sentences)


def _sentences(path, count):
    """The first sentences of a file with one a line, lists of words, longest first."""
    lines = open(path, encoding="utf-8").read().split("\n")[:count]
    return sorted((line.split() for line in lines if line), key=len, reverse=True)


def _sentences_a_second(encode, sentences):
    import torch

    with torch.inference_mode():
        encode(sentences[-8:])
        start = time.perf_counter()
        for first in range(0, len(sentences), 64):
            encode(sentences[first : first + 64])
        print(len(sentences) / (time.perf_counter() - start))


if __name__ == "__main__":
    parts = (card, predict, serve, training, pretraining, elmo, cove)
    {part.__name__: part for part in parts}[sys.argv[1]](*sys.argv[2:])
