"""BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT and ALBERT of any size, and every classifier fine-tuned from one,
torch-free.
"""

from __future__ import annotations

import copy
import functools
import gc
import itertools
import os
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints, families, forward, tokenizers
from probing import alignment, encoders
from probing.encoders import batches

if TYPE_CHECKING:
    from nsmc_bert.model.families.network import Encoder as Network

TOKENS = 8192  # of an encoded batch, padding included: inference keeps no states for a backward pass
MARGIN = 64  # positions of context at the inner ends of a window


class Bert(encoders.Encoder):
    """A BERT, or an encoder of a family like it, with frozen weights, dropout off.

    Layer 0 is LayerNorm(word embedding), without position and segment, which is what Tenney et al. (ICLR 2019) call
    lexical, projected to the layers' width where it is another; or, with layer0="positions", the whole output of the
    embeddings, as in the figures of their ACL 2019 paper.

    Args:
        name, layer0, precision, random_weights: see encoders.load.
        folder: where it lies.
    """

    def __init__(
        self,
        name: str | os.PathLike[str],
        folder: Path,
        *,
        layer0: str = "lexical",
        precision: str = "float32",
        random_weights: int | None = None,
    ) -> None:
        self.tokenizer = tokenizers.load(folder)
        self._folder, self._random_weights, self.dtype = folder, random_weights, encoders.compute_dtype(precision)
        self._layer0, self._lexical = layer0, layer0 == "lexical"
        self._cache: dict[alignment.WordOrPart, list[int]] = {}
        self._turn = threading.Lock()  # of loading the weights again
        bert = self._load()
        config = bert.config
        families.check_tokenizer(config, self.tokenizer.vocab_size, self.tokenizer.pad_id)
        self.name = encoders.called(name, random_weights)
        projected = families.of(config).width(config) != config.hidden_size
        self.layer0 = (
            f"lexical: LayerNorm(word embedding){', projected' if projected else ''}"
            if self._lexical
            else "positions: the embeddings' whole output"
        )
        self.widths = (config.hidden_size,) * (config.num_hidden_layers + 1)
        self.max_positions = min(families.of(config).positions(config), batches.LONGEST)
        self.earlier, self.fingerprint = self._fingerprints(bert)

    def _load(self) -> Network:
        if self._random_weights is None:
            bert = checkpoints.load_encoder(self._folder).bert
        else:
            bert = checkpoints.build(copy.deepcopy(checkpoints.read_config(self._folder)), self._random_weights)
        self._bert: Network | None = bert
        ids = tf.TensorSpec([None, None], tf.int32)
        # of a partial TensorFlow does not count how often other encoders' were traced, which it warns of
        all_states = functools.partial(self._all_states)
        self._states = tf.function(all_states, input_signature=[ids, ids], autograph=False)
        return bert

    def _fingerprints(self, bert: Network) -> tuple[str, str]:
        """(what an earlier version of this class knew these states by, the fingerprint)."""
        config, family = bert.config, families.of(bert.config)
        parameters, pooler = checkpoints.parameters(bert).items(), family.names.pooler + "."
        read = {name: weight for name, weight in parameters if not name.startswith(pooler)}
        earlier = "-".join((checkpoints.fingerprint(read), self.tokenizer.fingerprint, self._layer0, self.dtype))
        decides = config.hidden_act, str(config.num_attention_heads), repr(float(config.layer_norm_eps))
        return earlier, "-".join((earlier, *decides, *filter(None, [family.decides(config)])))

    def release(self) -> None:
        self._bert = self._states = None
        gc.collect()

    def read(
        self, sentences: Sequence[Sequence[str]], glued: Sequence[Collection[int]] = ()
    ) -> list[alignment.Sentence]:
        tokenizer = self.tokenizer
        return [
            alignment.pieces(
                tokenizer.pieces,
                words,
                cls_id=tokenizer.cls_id,
                sep_id=tokenizer.sep_id,
                unk_id=tokenizer.unk_id,
                cache=self._cache,
                glued=continued,
                continuations=tokenizer.continuations,
            )
            for words, continued in itertools.zip_longest(sentences, glued, fillvalue=())
        ]

    def weights(self) -> Network:
        """The network, loaded again where it was released.

        Raises:
            UserError: it is another one by now.
        """
        with self._turn:
            bert = self._bert
            if bert is None:
                bert = self._load()
                if self._fingerprints(bert)[1] != self.fingerprint:
                    self.release()
                    raise UserError(
                        f"{self._folder}: found another encoder than when the run began; run the command again"
                    )
            return bert

    def encode(self, payloads: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        self.weights()
        return batches.encode(
            payloads, self.widths, self._batch, tokens=TOKENS, limit=self.max_positions, margin=MARGIN, around=1
        )

    def _batch(self, payloads: list[np.ndarray], length: int) -> list[tf.Tensor]:
        mask = np.arange(length) < np.array([len(payload) for payload in payloads])[:, None]
        return self._states(batches.fill(payloads, length, self.tokenizer.pad_id), mask.astype(np.int32))

    def _all_states(self, input_ids: tf.Tensor, attention_mask: tf.Tensor) -> list[tf.Tensor]:
        bert = self._bert
        assert bert is not None  # `encode` has loaded it
        states = forward.encode_layers(bert, input_ids, attention_mask, compute_dtype=self.dtype)
        if self._lexical:
            states[0] = forward.lexical(bert, input_ids)
        return [encoders.to_float16(each) for each in states]
