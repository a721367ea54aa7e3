"""A tokenizer as operations of a TensorFlow graph, of TensorFlow Text: strings in, token ids out, without Python.

SentencePiece is computed by its own library, with the scores that this project's conversion gives the pieces; WordPiece
by TensorFlow Text's, and what BERT does to text before it by regular expressions. Byte-level BPE has no operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.model.tokenizers import Tokenizer
from nsmc_bert.serving.saved_model import IDS_ALONE

# scores in this many bits behind the point add up without rounding in float32, as they do in the float64 of
# `tokenizers`: else cuts that are equally likely ("..." before "...." or behind it) would be told apart by rounding
SCORE_BITS = 12
SPACE = r"[\t-\r\x{85}\p{Z}]"
PUNCTUATION = r"[!-/:-@\[-`{-~\p{P}]"
NUL = "\U0010ffff"  # for it, at which regex_split drops the rest of a text; just as unknown
# what BERT's cleaning drops: control characters but tab and line ends, and the replacement character
DROPPED = r"[\x{10ffff}\x{0}-\x{8}\x{b}\x{c}\x{e}-\x{1f}\x{7f}-\x{9f}\x{fffd}\p{Cf}\p{Co}]"
CHINESE = (
    r"([\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2b73f}\x{2b740}-\x{2b81f}"
    r"\x{2b920}-\x{2ceaf}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}])"
)
# steps of a normalizer that have an operation, and those of a SentencePiece model's own, which its library takes
KNOWN = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Replace", "Strip")
WITHIN = ("NFC", "Replace", "Strip", "Prepend")
EXTRA = "nsmc-bert[export]"


def check() -> None:
    """Says whether there is what cuts text in a graph.

    Raises:
        UserError: TensorFlow Text is not installed, or is another version's.
    """
    try:
        import tensorflow_text  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"found no {error.name or 'tensorflow_text'}, expected it to cut text in a graph: {system.install(EXTRA)}; "
            f"{IDS_ALONE}"
        ) from None
    except tf.errors.OpError as error:  # its operations are another version's
        raise UserError(
            f"found a tensorflow_text that does not fit TensorFlow {tf.__version__} "
            f"({shorten(str(error), 100)}), expected the same version: {system.install(EXTRA)}"
        ) from None


class GraphTokenizer(tf.Module):
    """Cuts strings as a Tokenizer does, in a graph.

    Tokens that stand for themselves, such as [SEP], are found in the text as it is, without the spaces beside them.

    Args:
        tokenizer: the Tokenizer.
        max_length: positions a text may take, [CLS] and [SEP] included; what goes beyond is dropped.

    Call:
        string [n], UTF-8, of which bytes that are none count as U+FFFD -> (input_ids, attention_mask), int32
        [n, positions], filled up to the longest of them.

    Raises:
        UserError: TensorFlow Text is missing, or has no operation for what the tokenizer does.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        super().__init__()
        check()
        rules = tokenizer.rules()
        kind = rules["model"]["type"]
        if kind == "Unigram" and tokenizer.sentencepiece_model:
            self._pieces: _Unigram | _WordPiece = _Unigram(tokenizer.sentencepiece_model, rules, tokenizer.unk_id)
        elif kind == "WordPiece":
            self._pieces = _WordPiece(rules)
        else:
            named = {"BPE": "byte-level BPE", "Unigram": "a Unigram model without its SentencePiece file"}
            raise UserError(
                f"the tokenizer: found {named.get(kind, kind)}, which TensorFlow Text cannot compute in a graph, "
                f"expected SentencePiece or WordPiece; {IDS_ALONE}"
            )
        for token in rules["added_tokens"]:
            if token["normalized"] or token["single_word"]:
                raise UserError(
                    f"the tokenizer: found the added token {shorten(token['content'])}, which is looked for in changed "
                    f"text or as a word of its own, expected tokens that stand for themselves anywhere; {IDS_ALONE}"
                )
        added = {token["content"]: token["id"] for token in rules["added_tokens"]}
        self._added = dict(sorted(added.items(), key=lambda item: -len(item[0])))  # the longest counts
        self._cls, self._sep, self._pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
        self._limit = max_length - 2

    def __call__(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow_text

        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        texts = tf.strings.regex_replace(texts, r"\x{0}", NUL)
        if self._added:
            names = "|".join(map(re2, self._added))
            parts = tensorflow_text.regex_split(texts, f"({names})", f"({names})")
            rows = parts.with_flat_values(self._ids(parts.flat_values)).merge_dims(1, 2)
        else:
            rows = self._pieces(texts)
        rows = rows[:, : self._limit]
        ends = tf.ones([rows.nrows(), 1], tf.int32)
        rows = tf.concat([ends * self._cls, rows, ends * self._sep], 1)
        return rows.to_tensor(self._pad), tf.ones_like(rows).to_tensor()

    def _ids(self, parts: tf.Tensor) -> tf.RaggedTensor:
        """The token ids of parts of texts, each an added token or text between them: string [parts] -> int32."""
        is_name = parts[:, None] == tf.constant(list(self._added))
        is_added = tf.reduce_any(is_name, 1)
        numbers = tf.gather(tf.constant(list(self._added.values()), tf.int32), tf.argmax(is_name, 1))
        alone = tf.RaggedTensor.from_row_lengths(tf.boolean_mask(numbers, is_added), tf.cast(is_added, tf.int64))
        return tf.concat([self._pieces(tf.where(is_added, "", parts)), alone], 1)


class _Unigram(tf.Module):
    """A SentencePiece model: string [n] -> int32 [n, (pieces)]."""

    def __init__(self, model: bytes, rules: Mapping[str, Any], unk_id: int) -> None:
        super().__init__()
        import tensorflow_text
        from sentencepiece import sentencepiece_model_pb2

        proto = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]  # made at import
        scores = dict(rules["model"]["vocab"])
        numbers = {piece: number for number, (piece, _) in enumerate(rules["model"]["vocab"])}
        for piece in proto.pieces:
            if piece.type == 1 and piece.piece in scores:
                piece.score = round(scores[piece.piece] * 2**SCORE_BITS) / 2**SCORE_BITS
        self._numbers = np.array([numbers.get(piece.piece, unk_id) for piece in proto.pieces], np.int32)
        self._before = list(_before_the_model(rules["normalizer"]))
        self._sentencepiece = tensorflow_text.SentencepieceTokenizer(proto.SerializeToString())

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        for step in self._before:
            texts = _normalised(texts, step)
        return tf.ragged.map_flat_values(
            lambda ids: tf.gather(tf.constant(self._numbers), ids), self._sentencepiece.tokenize(texts)
        )


class _WordPiece(tf.Module):
    """BERT's way: words by white space and punctuation, pieces of words: string [n] -> int32 [n, (pieces)]."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        super().__init__()
        import tensorflow_text

        model, self._normalizer = rules["model"], rules["normalizer"] or {}
        for part, wanted in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
            kind = (rules[part] or {}).get("type")
            if kind != wanted:
                raise UserError(
                    f"the tokenizer: found WordPiece with the {part} {kind}, expected {wanted}; {IDS_ALONE}"
                )
        vocabulary = sorted(model["vocab"], key=model["vocab"].get)
        self._numbers = np.array([model["vocab"][piece] for piece in vocabulary], np.int32)
        self._unknown, self._longest = model["unk_token"], model["max_input_chars_per_word"]
        self._wordpiece = tensorflow_text.FastWordpieceTokenizer(
            vocabulary,
            suffix_indicator=model["continuing_subword_prefix"],
            max_bytes_per_word=4 * self._longest,
            unknown_token=self._unknown,
            no_pretokenization=True,
        )

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        import tensorflow_text

        rules = self._normalizer
        if rules["clean_text"]:
            texts = tf.strings.regex_replace(texts, DROPPED, "")
            texts = tf.strings.regex_replace(texts, SPACE, " ")
        if rules["handle_chinese_chars"]:
            texts = tf.strings.regex_replace(texts, CHINESE, r" \1 ")
        lowercase, strip = rules["lowercase"], rules["strip_accents"]
        if lowercase if strip is None else strip:
            texts = tf.strings.regex_replace(tensorflow_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
        if lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        words = tensorflow_text.regex_split(texts, f"{SPACE}+|{PUNCTUATION}", PUNCTUATION)
        too_long = tf.strings.length(words.flat_values, "UTF8_CHAR") > self._longest
        flat = tf.where(too_long, self._unknown, words.flat_values)
        ids = self._wordpiece.tokenize(flat)
        ids = ids.with_flat_values(tf.gather(tf.constant(self._numbers), ids.flat_values))
        return words.with_flat_values(ids).merge_dims(1, 2)


def re2(text: str) -> str:
    """A regular expression of RE2's that matches a text and nothing else."""
    return re.sub(r"([!-/:-@\[-^`{-~])", r"\\\1", text)


def _steps(normalizer: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The steps of a tokenizer.json's normalizer, however they are nested."""
    if normalizer is None:
        return
    if normalizer["type"] == "Sequence":
        for step in normalizer["normalizers"]:
            yield from _steps(step)
    else:
        yield normalizer


def _before_the_model(normalizer: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The steps that come before what the SentencePiece model does to text itself.

    Raises:
        UserError: one is unknown.
    """
    steps = list(_steps(normalizer))
    own = next((place for place, step in enumerate(steps) if step["type"] == "Precompiled"), len(steps))
    for place, step in enumerate(steps):
        if place > own and step["type"] not in WITHIN or place < own and step["type"] not in (*KNOWN, *WITHIN):
            raise UserError(
                f"the tokenizer: found the normalizer {step['type']}, expected one of {', '.join(KNOWN)}; {IDS_ALONE}"
            )
        if place < own and step["type"] in KNOWN:
            yield step


def _normalised(texts: tf.Tensor, step: Mapping[str, Any]) -> tf.Tensor:
    import tensorflow_text

    if step["type"] == "Lowercase":
        return tf.strings.lower(texts, encoding="utf-8")
    if step["type"] == "Strip":
        return tf.strings.strip(texts)
    if step["type"] == "StripAccents":
        return tf.strings.regex_replace(texts, r"\p{M}", "")
    if step["type"] == "Replace":
        pattern = step["pattern"]
        regex = pattern["Regex"] if "Regex" in pattern else re2(pattern["String"])
        return tf.strings.regex_replace(texts, regex, step["content"].replace("\\", r"\\"))
    return tensorflow_text.normalize_utf8(texts, step["type"])
