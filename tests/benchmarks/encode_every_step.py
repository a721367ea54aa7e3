"""The usual way to probe, in PyTorch: each run encodes its sentences at every step. Prints the seconds that its runs
would take.

    encode_every_step.py ENCODER_FOLDER DATA_FOLDER TASK EPOCHS RECORDS STEPS DTYPE

For each of lex, cat and mix, STEPS steps of RECORDS sentences, of all lengths alike, are timed and multiplied to EPOCHS
passes, without validation. Batches are of like length, the encoder runs without gradients and without dropout;
sentences that are longer than it has positions are left out.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import BertModel

from nsmc_bert.model import tokenizers
from probing import alignment, records
from probing.tasks import TASKS


class Reader:
    """What alignment.align asks of an encoder."""

    max_positions = 512

    def __init__(self, folder):
        self._tokenizer, self._cache = tokenizers.load(folder), {}

    def read(self, sentences, glued=()):
        t = self._tokenizer
        return [
            alignment.pieces(t.pieces, words, cls_id=t.cls_id, sep_id=t.sep_id, unk_id=t.unk_id, cache=self._cache)
            for words in sentences
        ]


class Probe(torch.nn.Module):
    def __init__(self, inputs, layers, spans, labels):
        super().__init__()
        self.w, self.gamma = torch.nn.Parameter(torch.zeros(layers)), torch.nn.Parameter(torch.ones(()))
        self.project = torch.nn.ModuleList(torch.nn.Linear(inputs, 256) for _ in range(spans))
        self.attend = torch.nn.ModuleList(torch.nn.Linear(256, 1) for _ in range(spans))
        self.classify = torch.nn.Sequential(
            torch.nn.Linear(256 * spans, 256),
            torch.nn.Tanh(),
            torch.nn.LayerNorm(256),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(256, labels),
        )

    def forward(self, hidden, mixed, members, targets):
        if mixed:
            hidden = self.gamma * (self.w.softmax(0)[:, None, None] * hidden).sum(0)
        hidden = torch.nn.functional.dropout(hidden, 0.2, self.training)
        pooled = []
        for project, attend, (rows, segments) in zip(self.project, self.attend, members):
            projected = project(hidden)
            weights = attend(projected)[:, 0].float().exp()[rows]
            weights = weights / torch.zeros(targets).index_add(0, segments, weights)[segments]
            pooled.append(torch.zeros(targets, 256).index_add(0, segments, projected[rows].float() * weights[:, None]))
        return self.classify(torch.cat(pooled, 1))


def main(folder, data, task, epochs, size, steps, dtype):
    task, epochs, size, steps = TASKS[task], int(epochs), int(size), int(steps)
    path = Path(data) / (task.name + ".train.jsonl")
    examples = alignment.align(records.read(path, task.spans), Reader(folder), task, where=path)
    torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
    bert = BertModel.from_pretrained(folder, add_pooling_layer=False).eval().to(torch.get_default_device())
    lengths = np.array([len(examples.payloads[number]) for number in examples.sentence])
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] <= bert.config.max_position_embeddings]  # the few that are longer, it leaves out
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    chosen = np.linspace(0, len(batches) - 1, min(steps, len(batches))).astype(int)
    autocast = torch.autocast(torch.get_default_device().type, torch.bfloat16, enabled=dtype == "bfloat16")
    total = 0.0
    for representation in ("lex", "cat", "mix"):
        width, layers = bert.config.hidden_size, bert.config.num_hidden_layers + 1
        probe = Probe(width * (2 if representation == "cat" else 1), layers, task.spans, len(examples.names))
        optimizer = torch.optim.Adam(probe.parameters(), 1e-3, amsgrad=True)
        seconds = []
        for number in [chosen[len(chosen) // 2]] * 2 + list(chosen):  # the first two warm up
            began = time.perf_counter()
            step(bert, probe, optimizer, examples, batches[number], representation, autocast).item()
            seconds.append(time.perf_counter() - began)
        total += np.mean(seconds[2:]) * len(batches) * epochs
    print(total)


def step(bert, probe, optimizer, examples, batch, representation, autocast):
    payloads = [examples.payloads[number] for number in examples.sentence[batch]]
    length = max(map(len, payloads))
    ids, mask = np.zeros((len(batch), length), np.int64), np.zeros((len(batch), length), np.float32)
    for row, payload in enumerate(payloads):
        ids[row, : len(payload)], mask[row, : len(payload)] = payload, 1
    ids, mask = torch.as_tensor(ids), torch.as_tensor(mask)
    sizes = np.diff(examples.splits)[batch]
    targets = np.concatenate([np.arange(examples.splits[r], examples.splits[r + 1]) for r in batch])
    offset, members = np.repeat(np.arange(len(batch)) * length, sizes), []
    for span in [examples.span1] + ([] if examples.span2 is None else [examples.span2]):
        first, last = span[targets].T
        rows = np.concatenate([np.arange(a, b) for a, b in zip(first + offset, last + offset)])
        members.append((torch.as_tensor(rows), torch.as_tensor(np.repeat(np.arange(len(targets)), last - first))))
    gold = torch.as_tensor(examples.gold(targets).astype(np.float32))
    with autocast:
        with torch.no_grad():
            if representation == "lex":
                hidden = bert.embeddings.LayerNorm(bert.embeddings.word_embeddings(ids))
            else:
                states = bert(ids, mask, output_hidden_states=True).hidden_states
                lexical = bert.embeddings.LayerNorm(bert.embeddings.word_embeddings(ids))
                hidden = (
                    torch.cat([states[-1], lexical], -1)
                    if representation == "cat"
                    else torch.stack([lexical, *states[1:]])
                )
            hidden = hidden.flatten(-3, -2)
        logits = probe(hidden, representation == "mix", members, len(targets))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), gold)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(probe.parameters(), 5.0)
    optimizer.step()
    return loss


if __name__ == "__main__":
    main(*sys.argv[1:])
