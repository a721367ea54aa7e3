"""Learning ratings: a loss that knows their order, of the probabilities of each."""

import tensorflow as tf
import tf_keras as keras

# of 0, 2.7, 9 and 27 it was 2.7 that had the least error of the expected rating, on 1,500 reviews of NSMC's crawl with
# 1,200 others to learn from, one seed: 1.469, 1.461, 1.472, 1.486
WEIGHT = 3.0


class Loss(keras.losses.Loss):
    """Cross-entropy and, beside it, the squared distance of what is said to be at most each rating from what is.

    -log p[y] + weight * mean over k < K - 1 of (P(k) - [y <= k])**2, where P(k) = p[0] + … + p[k]. The second part is
    the ranked probability score (Epstein 1969), in training known as the squared earth mover's distance (Hou, Yu and
    Samaras 2016, "Squared earth mover's distance-based loss for training deep neural networks"): what is said beside
    the rating costs the more the farther away it is. Each part is least, in the mean, where probabilities are the true
    ones, and so is their sum: they stay probabilities, of a softmax that any tool reads.

    Args:
        weight: of the distance beside the cross-entropy.

    Call:
        int [batch, …] labels, numbers of ratings, and float32 [batch, …, ratings] probabilities -> nats.
    """

    def __init__(self, weight: float = WEIGHT, **options: object) -> None:
        super().__init__(**{"name": "ordinal_loss", **options})
        self.weight = weight

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(y_true, tf.int32)
        if labels.shape.rank == y_pred.shape.rank:  # Keras' own batches have a column of labels
            labels = tf.squeeze(labels, -1)
        places = tf.range(y_pred.shape[-1])
        at_most = tf.cast(labels[..., None] <= places, y_pred.dtype)
        # of the last rating both are 1
        distance = tf.reduce_mean(tf.square(tf.cumsum(y_pred, -1) - at_most)[..., :-1], -1)
        return keras.losses.sparse_categorical_crossentropy(labels, y_pred) + self.weight * distance
