"""BERT, cased and uncased, of any size, and every classifier fine-tuned from one: WordPiece or SentencePiece, torch-free."""

import copy

import numpy as np
import tensorflow as tf

from nsmc_bert import batching, checkpoints, tokenizers
from nsmc_bert import encoder as forward
from probing import alignment, encoders

TOKENS = 8192  # of an encoded batch, padding included: inference keeps no states for a backward pass
MARGIN = 64  # positions of context at the inner ends of a window


class Bert(encoders.Encoder):
    """A BERT with frozen weights, dropout off.

    Layer 0 is LayerNorm(word embedding), without position and segment, which is what Tenney et al. (ICLR 2019) call
    lexical; or, with layer0="positions", the whole output of the embeddings, as in the figures of their ACL 2019 paper.

    Args:
        name, layer0, precision, random_weights: see encoders.load.
    """

    def __init__(self, name, *, layer0="lexical", precision="float32", random_weights=None):
        folder = checkpoints.resolve(str(name))
        self.tokenizer = tokenizers.load(folder)
        if random_weights is None:
            self._bert = checkpoints.load_encoder(folder).bert
        else:
            self._bert = checkpoints.build(copy.deepcopy(checkpoints.read_config(folder)), random_weights)
        config = self._bert.config
        self.name = str(name) if random_weights is None else "%s, random weights (seed %d)" % (name, random_weights)
        self.layer0 = "lexical: LayerNorm(word embedding)" if layer0 == "lexical" else "positions: the embeddings' whole output"
        self.widths = (config.hidden_size,) * (config.num_hidden_layers + 1)
        self.max_positions = min(config.max_position_embeddings, batching.LENGTHS[-1])
        self._lexical = layer0 == "lexical"
        self._dtype = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}.get(precision, "float32")
        weights = checkpoints.fingerprint({name: variable.numpy() for name, variable in checkpoints.parameters(self._bert).items()
                                           if not name.startswith("pooler.")})  # fmt: skip
        self.fingerprint = "-".join((weights, self.tokenizer.fingerprint, layer0, self._dtype))
        self._cache = {}
        ids = tf.TensorSpec([None, None], tf.int32)
        self._states = tf.function(self._all_states, input_signature=[ids, ids], autograph=False)

    def read(self, sentences):
        tokenizer = self.tokenizer
        return [
            alignment.pieces(
                self.tokenizer.pieces, words, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, unk_id=tokenizer.unk_id,
                cache=self._cache,
            )
            for words in sentences
        ]  # fmt: skip

    def encode(self, payloads):
        jobs = []  # (sentence, first position, payload of a window, first and last of what it gives)
        for number, payload in enumerate(payloads):
            if len(payload) <= self.max_positions:
                jobs.append((number, 0, payload, 0, len(payload)))
                continue
            inner = payload[1:-1]
            for begin, end, first, last in alignment.windows(len(inner), self.max_positions - 2, MARGIN):
                window = np.concatenate([payload[:1], inner[begin:end], payload[-1:]])
                low = 0 if first == 0 else first - begin + 1
                high = len(window) if last == len(inner) else last - begin + 1
                jobs.append((number, 0 if first == 0 else first + 1, window, low, high))
        out = [[np.empty((len(payload), width), np.float16) for width in self.widths] for payload in payloads]
        lengths = np.array([len(job[2]) for job in jobs])
        plan = batching.plan(lengths, TOKENS)
        for i, length in enumerate(plan.lengths):
            rows = plan.rows[plan.splits[i] : plan.splits[i + 1]]
            length = min(length, self.max_positions)
            ids = np.full((len(rows), length), self.tokenizer.pad_id, np.int32)
            for line, row in zip(ids, rows):
                line[: lengths[row]] = jobs[row][2]
            mask = (np.arange(length) < lengths[rows][:, None]).astype(np.int32)
            for layer, states in enumerate(self._states(ids, mask)):
                for line, row in zip(states.numpy(), rows):
                    number, place, _, low, high = jobs[row]
                    out[number][layer][place : place + high - low] = line[low:high]
        return out

    def representation(self, name):
        return encoders.transformer_representation(name, len(self.widths))

    def _all_states(self, input_ids, attention_mask):
        states = forward.encode(
            self._bert, input_ids, attention_mask, compute_dtype=self._dtype, fused=False, all_layers=True
        )
        if self._lexical:
            embeddings = self._bert.bert.embeddings
            words = tf.gather(embeddings.weight, input_ids)
            states[0] = embeddings.LayerNorm(words)
        return [encoders.to_float16(each) for each in states]
