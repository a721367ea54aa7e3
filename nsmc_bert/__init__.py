"""Fine-tune BERT on Korean movie reviews and classify text.

    >>> import nsmc_bert
    >>> model = nsmc_bert.load()                        # the classifier that ships, or a folder that training wrote
    >>> model.predict("이 영화 엄청 재미있네요").round(2)   # [[p_negative, p_positive]]
    array([[0.06, 0.94]], dtype=float32)

TFBertModel belongs to Keras 2, which TensorFlow calls legacy: this package selects it, and therefore has to be
imported before anything touches `tf.keras`.
"""

from __future__ import annotations

import os

if os.environ.setdefault("TF_USE_LEGACY_KERAS", "1").lower() in ("0", "false"):
    raise ImportError(
        f"TF_USE_LEGACY_KERAS={os.environ['TF_USE_LEGACY_KERAS']} selects Keras 3, on which transformers' TFBertModel "
        "cannot run; unset it or set it to 1"
    )

__version__ = "0.1.0"
__all__ = ["load", "label_frame", "SentimentClassifier"]

TYPE_CHECKING = False  # type checkers take it for true; typing's own would have to be imported
if TYPE_CHECKING:
    from nsmc_bert.model.answers import label_frame
    from nsmc_bert.model.classifier import SentimentClassifier, load


def __dir__() -> list[str]:
    return [*__all__, "__version__", "__doc__"]


def __getattr__(name: str) -> object:
    """Imports TensorFlow when a public name is first used, so that `import nsmc_bert` stays instant."""
    if name in __all__:
        import warnings

        from nsmc_bert.base import quiet, runtime

        quiet.import_tensorflow()
        if idle := runtime.idle_gpu():
            warnings.warn(idle, stacklevel=2)
        from nsmc_bert.model import answers, classifier

        return getattr(answers if name == "label_frame" else classifier, name)
    raise AttributeError(f"module 'nsmc_bert' has no attribute {name!r}")
