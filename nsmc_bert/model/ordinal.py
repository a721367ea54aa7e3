"""Learning ratings: a loss that knows their order, of the probabilities of each."""

import tensorflow as tf
import tf_keras as keras


class Loss(keras.losses.Loss):
    """Cross-entropy and, beside it, the squared distance of what is said to be at most each rating from what is.

    -log p[y] + weight * sum over k of (P(k) - [y <= k])**2, where P(k) = p[0] + … + p[k]. The second part is the ranked
    probability score (Epstein 1969), in training known as the squared earth mover's distance (Hou, Yu and Samaras 2016,
    "Squared earth mover's distance-based loss for training deep neural networks"): what is said beside the rating costs
    the more the farther away it is. Each part is least, in the mean, where probabilities are the true ones, and so is
    their sum: they stay probabilities, of a softmax that any tool reads.

    Args:
        weight: of the distance beside the cross-entropy.

    Call:
        int [batch, …] labels, numbers of ratings, and float32 [batch, …, ratings] probabilities -> nats.
    """

    def __init__(self, weight: float = 1.0, **options: object) -> None:
        super().__init__(**{"name": "ordinal_loss", **options})
        self.weight = weight

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(y_true, tf.int32)
        if labels.shape.rank == y_pred.shape.rank:  # Keras' own batches have a column of labels
            labels = tf.squeeze(labels, -1)
        places = tf.range(y_pred.shape[-1])
        at_most = tf.cast(labels[..., None] <= places, y_pred.dtype)
        distance = tf.reduce_sum(tf.square(tf.cumsum(y_pred, -1) - at_most), -1)
        return keras.losses.sparse_categorical_crossentropy(labels, y_pred) + self.weight * distance
