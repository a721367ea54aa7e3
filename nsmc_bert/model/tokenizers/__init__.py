"""Text to token ids: WordPiece, SentencePiece and byte-level BPE behind one interface, many texts at a time.

Whatever a folder holds (tokenizer.json, a SentencePiece model, KoBERT's model with its vocabulary beside it, a
WordPiece vocabulary, RoBERTa's vocab.json and merges.txt) becomes one `tokenizers.Tokenizer`, which is also what a
model folder is written with: other tools that open the folder cut text exactly as this project does.
"""

import functools

from nsmc_bert import bundled as shipped
from nsmc_bert.model.tokenizers.folder import load
from nsmc_bert.model.tokenizers.tokenizer import FAIRSEQ, SPECIAL, Encoded, Tokenizer
from nsmc_bert.model.tokenizers.unigram import from_sentencepiece, learn
from nsmc_bert.model.tokenizers.wordpiece import from_vocab

__all__ = [
    "FAIRSEQ",
    "SPECIAL",
    "Encoded",
    "Tokenizer",
    "bundled",
    "from_sentencepiece",
    "from_vocab",
    "learn",
    "load",
]


@functools.cache
def bundled() -> Tokenizer:
    """The tokenizer that ships: 8,000 SentencePiece pieces learned from NSMC's training reviews."""
    return load(shipped.ENCODER)
