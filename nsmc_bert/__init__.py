"""Fine-tune BERT on Korean movie reviews and classify text.

    >>> import nsmc_bert
    >>> model = nsmc_bert.load()                        # the classifier that ships, or a folder that training wrote
    >>> model.predict("이 영화 엄청 재미있네요").round(2)   # [[p_negative, p_positive]]
    array([[0.06, 0.94]], dtype=float32)

TFBertModel belongs to Keras 2, which TensorFlow calls legacy: this package selects it, and therefore has to be
imported before anything touches `tf.keras`.
"""

import os

if os.environ.setdefault("TF_USE_LEGACY_KERAS", "1").lower() in ("0", "false"):
    raise ImportError(
        "TF_USE_LEGACY_KERAS={} selects Keras 3, on which transformers' TFBertModel cannot run; "
        "unset it or set it to 1".format(os.environ["TF_USE_LEGACY_KERAS"])
    )

__version__ = "0.1.0"
__all__ = ["load", "SentimentClassifier"]


def __getattr__(name):
    """Imports TensorFlow when a public name is first used, so that `import nsmc_bert` stays instant."""
    if name in __all__:
        from nsmc_bert.model import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module 'nsmc_bert' has no attribute {name!r}")
