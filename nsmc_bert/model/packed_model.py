"""What every model here has that learns from packed texts, a classifier or a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model import packing
from nsmc_bert.model.optimizers import make_variables

if TYPE_CHECKING:
    from nsmc_bert.model.tokenizers import Encoded, Tokenizer


class PackedModel(keras.Model):
    """A Keras model whose batches are packed rows, a share of each for each device of its strategy.

    Args:
        name: Keras' name.
        precision: the Keras policy of the matrix products.

    Attributes:
        tokenizer: the tokenizers.Tokenizer whose ids it reads.
        predict_budget: tokens of a batch where nothing is learned, at most; None for packing.budget alone.
    """

    tokenizer: Tokenizer
    predict_budget: int | None = None

    def __init__(self, name: str, precision: str) -> None:
        super().__init__(name=name, dtype=keras.mixed_precision.Policy(precision))
        self.distribute_reduction_method = "first"  # of figures that are one on all workers; Keras would add them up

    def make_train_function(self, force: bool = False) -> Callable[..., Any]:
        """Keras' own, traced once."""
        make_variables(self)
        return super().make_train_function(force)

    def plan(
        self,
        encoded: Encoded,
        batch_size: int | None = None,
        *,
        token_budget: int | None = None,
        seed: int | None = None,
        epoch: int = 0,
    ) -> packing.Plan:
        """A packing.Plan for these texts that this model's devices can share; shuffled if there is a seed."""
        return packing.plan(
            encoded.lengths,
            token_budget or packing.budget(),
            batch_size=batch_size,
            seed=seed,
            epoch=epoch,
            multiple=self.distribute_strategy.num_replicas_in_sync,
        )

    def pack(self, encoded: Encoded, plan: packing.Plan) -> packing.Plan:
        """The same batches, packed before they are asked for."""
        return packing.ahead(encoded, plan, self.tokenizer.pad_id)

    def pipeline(
        self,
        encoded: Encoded,
        plan: packing.Plan,
        labels: np.ndarray | None,
        start: int = 0,
        stop: int | None = None,
        **options: Any,
    ) -> tf.data.Dataset:
        """Batches `start` to `stop` of a plan as Keras' fit takes them; without labels they have zeros in their place.

        Further options are packing.dataset's.
        """
        labels = np.zeros(len(encoded), np.int32) if labels is None else labels
        options.update(pad_id=self.tokenizer.pad_id, labels=labels, start=start, stop=stop)
        return packing.shared(self.distribute_strategy, encoded, plan, **options)

    def fit_batches(
        self,
        encoded: Encoded,
        labels: np.ndarray | None,
        plan: packing.Plan,
        start: int,
        stop: int,
        callbacks: Iterable[keras.callbacks.Callback] = (),
    ) -> keras.callbacks.History:
        """Trains on batches `start` to `stop` of a plan, in their order: the piece of a run between two checkpoints."""
        return super().fit(
            self.pipeline(encoded, plan, labels, start, stop),
            steps_per_epoch=stop - start,
            verbose=0,
            callbacks=list(callbacks),
        )
