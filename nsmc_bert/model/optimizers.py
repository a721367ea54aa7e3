"""Adam as encoders and probes are trained with it: few operations for each weight, and its rate's schedule."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras


class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """0 to `peak` over a share `warmup` of all passes, then linearly back to 0 at the end of the last one.

    How many steps a pass has need not be known before it begins: `begin` says so.

    Args:
        peak: the highest rate.
        warmup: share of the passes, 0 to 1, over which the rate rises.
        passes: how many.
    """

    def __init__(self, *, peak: float, warmup: float, passes: int):
        self.peak, self.warmup, self.passes = peak, warmup, passes
        self._here = tf.Variable([0.0, 0.0, 1.0], trainable=False, name="schedule")

    def begin(self, epoch: int, before: int, steps: int) -> None:
        """Says that pass `epoch`, from 0, of `steps` steps begins after `before` steps of all."""
        self._here.assign([epoch, before, steps])

    def __call__(self, step: Any) -> tf.Tensor:
        epoch, before, steps = tf.unstack(tf.convert_to_tensor(self._here))
        done = epoch + (tf.cast(step, tf.float32) - before) / steps  # passes
        rise = (done + 1.0 / steps) / max(self.warmup * self.passes, 1e-9)
        fall = (self.passes - done) / max((1.0 - self.warmup) * self.passes, 1e-9)
        return self.peak * tf.clip_by_value(tf.minimum(rise, fall), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "passes": self.passes}


class OneOperation:
    """Of a keras.optimizers.Adam: updates each variable by TensorFlow's one operation for it, which on CPUs takes half
    the time, and computes what is the same for all of them once a step, so that a step is traced sooner, too.
    """

    iterations: tf.Variable
    learning_rate: tf.Variable
    weight_decay: float | None
    global_clipnorm: float | None
    beta_1: float
    beta_2: float
    epsilon: float
    _momentums: list[tf.Variable]
    _velocities: list[tf.Variable]

    def _compute_current_learning_rate(self) -> None:
        """Keras', which it calls first of all; and with the rate what else is of a step and not of a variable."""
        super()._compute_current_learning_rate()  # type: ignore[misc]
        rate, step = tf.cast(self.learning_rate, tf.float32), tf.cast(self.iterations + 1, tf.float32)
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        self._terms = {
            "lr": rate,
            "beta1": beta_1,
            "beta2": beta_2,
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "epsilon": tf.constant(self.epsilon),
        }
        self._decay = None if self.weight_decay is None else rate * self.weight_decay

    def aggregate_gradients(self, grads_and_vars: Any) -> Any:
        """The sum over all replicas, which of one is what is given."""
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        return super().aggregate_gradients(grads_and_vars) if several else list(grads_and_vars)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing: `apply_adam` does."""

    def _deduplicate_sparse_grad(self, grads: Any) -> Any:
        """Dense gradients, in which those of one id of an embedding are added up. Keras looks for the same ids first,
        which XLA does in a loop over all tokens, one by one.
        """
        return [tf.convert_to_tensor(gradient) for gradient in grads]

    def _clip_gradients(self, grads: Any) -> Any:
        """Scales gradients down to the global norm, as tf.clip_by_global_norm does in twice the operations."""
        if not (self.global_clipnorm or 0.0) > 0:
            return super()._clip_gradients(grads)  # type: ignore[misc]
        values = [gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in grads]
        norm = tf.sqrt(2.0 * tf.add_n([tf.nn.l2_loss(value) for value in values]))
        # of a norm that is not finite NaN, that the loss shows it
        scale = self.global_clipnorm / tf.maximum(norm, self.global_clipnorm) + (norm - norm)

        def scaled(gradient: Any) -> Any:
            if isinstance(gradient, tf.IndexedSlices):
                return tf.IndexedSlices(gradient.values * scale, gradient.indices, gradient.dense_shape)
            return tf.multiply(gradient, scale)

        return [scaled(gradient) for gradient in grads]

    def apply_adam(
        self, operation: Callable[..., Any], gradient: tf.Tensor, variable: tf.Variable, **slots: list[tf.Variable]
    ) -> None:
        """The update of one float32 variable, and before it its decay (Loshchilov and Hutter 2019) if it has any.

        Args:
            operation: tf.raw_ops.ResourceApplyAdam, or its variant that takes `slots`.
            gradient: a dense tensor.
            variable: the tf.Variable.
            **slots: further slots of all variables, by the operation's names.
        """
        if self._decay is not None and self._use_weight_decay(variable):  # type: ignore[attr-defined]
            variable.assign_sub(variable * self._decay)
        place = self._index_dict[self._var_key(variable)]  # type: ignore[attr-defined]
        slots.update(m=self._momentums, v=self._velocities)
        handles = {name: variables[place].handle for name, variables in slots.items()}
        operation(var=variable.handle, grad=gradient, **handles, **self._terms)


class AdamW(OneOperation, keras.optimizers.AdamW):
    """Keras' AdamW by one operation."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        self.apply_adam(tf.raw_ops.ResourceApplyAdam, gradient, variable)


def adamw(rate: WarmupLinearDecay | float, weight_decay: float = 0.01, clip_norm: float | None = 1.0) -> AdamW:
    """AdamW as BERT is fine-tuned: decoupled decay, none on biases and layer normalisation, global-norm clipping.

    Args:
        rate: the learning rate, or its schedule.
        weight_decay: the share of a weight that a step at a rate of 1 would take from it.
        clip_norm: gradients are scaled down to this global norm; None or 0 for as they are.
    """
    optimizer = AdamW(
        rate,
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
        epsilon=1e-6,
        beta_2=0.999,
        jit_compile=False,  # wherever it finds a GPU, Keras would compile the update by XLA of its own accord
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "LayerNorm"])
    return optimizer


def make_variables(model: keras.Model) -> None:
    """Makes the variables of a compiled model's optimizer, for a step in which it makes them is traced twice."""
    if hasattr(model.optimizer, "build"):  # one of before Keras' present ones has no such method
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
