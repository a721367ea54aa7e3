"""BERT, cased and uncased, of any size, and every classifier fine-tuned from one: WordPiece or SentencePiece,
torch-free.
"""

import copy
import gc
import threading

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints, tokenizers
from nsmc_bert.model import forward as forward
from probing import alignment, encoders
from probing.encoders import batches

TOKENS = 8192  # of an encoded batch, padding included: inference keeps no states for a backward pass
MARGIN = 64  # positions of context at the inner ends of a window


class Bert(encoders.Encoder):
    """A BERT with frozen weights, dropout off.

    Layer 0 is LayerNorm(word embedding), without position and segment, which is what Tenney et al. (ICLR 2019) call
    lexical; or, with layer0="positions", the whole output of the embeddings, as in the figures of their ACL 2019 paper.

    Args:
        name, layer0, precision, random_weights: see encoders.load.
        folder: where it lies.
    """

    def __init__(self, name, folder, *, layer0="lexical", precision="float32", random_weights=None):
        self.tokenizer = tokenizers.load(folder)
        self._folder, self._random_weights, self._dtype = folder, random_weights, encoders.compute_dtype(precision)
        self._layer0, self._lexical, self._cache = layer0, layer0 == "lexical", {}
        self._turn = threading.Lock()  # of loading the weights again
        self._load()
        config = self._bert.config
        if self.tokenizer.vocab_size > config.vocab_size:
            raise UserError(
                "%s: found a tokenizer of %d pieces, expected at most vocab_size of config.json, %d"
                % (folder, self.tokenizer.vocab_size, config.vocab_size)
            )
        self.name = str(name) if random_weights is None else "%s, random weights (seed %d)" % (name, random_weights)
        self.layer0 = (
            "lexical: LayerNorm(word embedding)" if self._lexical else "positions: the embeddings' whole output"
        )
        self.widths = (config.hidden_size,) * (config.num_hidden_layers + 1)
        self.max_positions = min(config.max_position_embeddings, batches.LONGEST)
        self.earlier, self.fingerprint = self._fingerprints()

    def _load(self):
        if self._random_weights is None:
            self._bert = checkpoints.load_encoder(self._folder).bert
        else:
            self._bert = checkpoints.build(copy.deepcopy(checkpoints.read_config(self._folder)), self._random_weights)
        ids = tf.TensorSpec([None, None], tf.int32)
        self._states = tf.function(self._all_states, input_signature=[ids, ids], autograph=False)

    def _fingerprints(self):
        """(what an earlier version of this class knew these states by, the fingerprint)."""
        weights, config = checkpoints.parameters(self._bert).items(), self._bert.config
        weights = checkpoints.fingerprint({name: weight for name, weight in weights if not name.startswith("pooler.")})
        earlier = "-".join((weights, self.tokenizer.fingerprint, self._layer0, self._dtype))
        decides = config.hidden_act, str(config.num_attention_heads), repr(float(config.layer_norm_eps))
        return earlier, "-".join((earlier, *decides))

    def release(self):
        self._bert = self._states = None
        gc.collect()

    def read(self, sentences):
        tokenizer = self.tokenizer
        return [
            alignment.pieces(
                self.tokenizer.pieces,
                words,
                cls_id=tokenizer.cls_id,
                sep_id=tokenizer.sep_id,
                unk_id=tokenizer.unk_id,
                cache=self._cache,
            )
            for words in sentences
        ]

    def encode(self, payloads):
        with self._turn:
            if self._bert is None:
                self._load()
                if self._fingerprints()[1] != self.fingerprint:
                    self.release()
                    raise UserError(
                        f"{self._folder}: found another encoder than when the run began; run the command again"
                    )
        return batches.encode(
            payloads, self.widths, self._batch, tokens=TOKENS, limit=self.max_positions, margin=MARGIN, around=1
        )

    def _batch(self, payloads, length):
        mask = np.arange(length) < np.array([len(payload) for payload in payloads])[:, None]
        return self._states(batches.fill(payloads, length, self.tokenizer.pad_id), mask.astype(np.int32))

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
