"""What cuts text into pieces, whatever it was read from, and the token ids that it makes of many texts."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers as hf
from tokenizers import AddedToken, models, pre_tokenizers, processors

from nsmc_bert.base.errors import UserError

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
FAIRSEQ = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
CHUNK = 4096  # texts whose intermediate objects are in memory at a time,
CHARACTERS = 1 << 20  # and their characters, about: each takes some 25 bytes then
SURROGATES = re.compile("[\ud800-\udfff]")
_BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """The token ids of many texts, end to end.

    Attributes:
        ids: int32 [tokens of all texts], [CLS] and [SEP] around each.
        row_splits: int64 [texts + 1], where each text begins in `ids`.
        truncated: bool [texts], whether a text was longer than allowed and only its beginning is there.
    """

    ids: np.ndarray
    row_splits: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.truncated)

    def __getitem__(self, rows: np.ndarray) -> Encoded:
        """The texts of an array of row numbers, in that order, as another Encoded."""
        lengths = self.lengths[rows]
        splits = np.concatenate([[0], np.cumsum(lengths)])
        index = np.arange(splits[-1]) + np.repeat(self.row_splits[:-1][rows] - splits[:-1], lengths)
        return Encoded(self.ids[index], splits, self.truncated[rows])

    def replaced(self, rows: np.ndarray, others: Encoded) -> Encoded:
        """The same with the texts of some rows replaced by those of another Encoded, in that order."""
        both = Encoded(
            np.concatenate([self.ids, others.ids]),
            np.concatenate([self.row_splits, others.row_splits[1:] + self.row_splits[-1]]),
            np.concatenate([self.truncated, others.truncated]),
        )
        index = np.arange(len(self))
        index[rows] = len(self) + np.arange(len(others))
        return both[index]

    @property
    def lengths(self) -> np.ndarray:
        """int64 [texts], tokens of each text."""
        return np.diff(self.row_splits)


class Tokenizer:
    """Cuts text into the pieces of an encoder's vocabulary.

    Args:
        backend: a tokenizers.Tokenizer.
        special: names of the special tokens, as in SPECIAL.
        model_max_length: positions the encoder was made for, or None.
        sentencepiece_model: bytes of the SentencePiece model that `backend` was made from, if it was.

    Raises:
        UserError: a special token is not in the vocabulary.

    Example:
        >>> from nsmc_bert.model import tokenizers
        >>> tokenizer = tokenizers.bundled()
        >>> tokenizer.encode(["꿀잼", "이 영화 엄청 재미있네요"], max_length=128).lengths
        array([3, 6])
    """

    def __init__(
        self,
        backend: hf.Tokenizer,
        special: Mapping[str, str] | None = None,
        model_max_length: int | None = None,
        sentencepiece_model: bytes | None = None,
    ) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.special = {**SPECIAL, **(special or {})}
        self.model_max_length = model_max_length
        self.sentencepiece_model = sentencepiece_model
        ids = {role: backend.token_to_id(token) for role, token in self.special.items()}
        missing = [self.special[role] for role in ids if ids[role] is None and role != "mask"]
        if missing:
            raise UserError(f"the tokenizer's vocabulary lacks the special tokens {', '.join(missing)}")
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[role] for role in SPECIAL)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return max(self.backend.get_vocab().values()) + 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """A checksum of everything that decides ids."""
        # the library's JSON loses the last bit of a score, so a tokenizer that was saved and read again differs there
        text = re.sub(r"-?\d+\.\d{6,}", lambda score: f"{float(score[0]):.5f}", self.backend.to_str())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def rules(self) -> dict[str, Any]:
        """All that decides ids, as tokenizer.json has it."""
        return json.loads(self.backend.to_str())

    def word_beginnings(self) -> np.ndarray:
        """bool [vocab_size]: which pieces begin a word. A lone ▁ belongs to the word that it begins."""
        pieces = self._vocabulary
        if self._is_byte_level:
            return np.array([piece.startswith("Ġ") for piece in pieces])
        sentencepiece = sum(piece.startswith("▁") for piece in pieces) > sum(piece.startswith("##") for piece in pieces)
        return np.array([piece.startswith("▁") if sentencepiece else not piece.startswith("##") for piece in pieces])

    def reads(self, encoded: Encoded) -> np.ndarray:
        """bool [texts]: whether a text has a known piece, beside special tokens and bare beginnings of words."""
        says = np.concatenate([[0], np.cumsum(self._says[encoded.ids])])
        return np.diff(says[encoded.row_splits]) > 0

    @functools.cached_property
    def _says(self) -> np.ndarray:
        """bool [vocab_size]: which pieces say something."""
        nothing = {self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id}
        return np.array([i not in nothing and piece not in ("", "▁", "Ġ") for i, piece in enumerate(self._vocabulary)])

    @functools.cached_property
    def _vocabulary(self) -> list[str]:
        """The pieces by their ids; "" where an id has none."""
        return [self.backend.id_to_token(i) or "" for i in range(self.vocab_size)]

    @functools.cached_property
    def _is_byte_level(self) -> bool:
        """Whether pieces are bytes, and a space is one of them."""
        return "ByteLevel(" in repr(self.backend.pre_tokenizer)

    def encode(self, texts: Iterable[str], max_length: int) -> Encoded:
        """Token ids of texts.

        Args:
            texts: a sequence of str; any str, lone surrogates count as U+FFFD.
            max_length: positions a text may take, [CLS] and [SEP] included; what goes beyond is dropped.

        Returns:
            Encoded.
        """
        limit = max_length - 2
        parts: list[np.ndarray] = []
        counts: list[int] = []
        for chunk in _chunks(texts):
            rows = [encoding.ids for encoding in self._encode_batch(chunk)]
            counts += map(len, rows)
            around = ((self.cls_id, *row[:limit], self.sep_id) for row in rows)
            parts.append(np.fromiter(itertools.chain.from_iterable(around), np.int32))
        lengths = np.array(counts, np.int64)
        splits = np.concatenate([[0], np.cumsum(np.minimum(lengths, limit) + 2)]).astype(np.int64)
        return Encoded(np.concatenate(parts or [np.zeros(0, np.int32)]), splits, lengths > limit)

    def locate(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The token ids of a text, without special tokens, and where each piece stands in it.

        Args:
            text: any str; lone surrogates count as U+FFFD.

        Returns:
            The ids, all of them, and as many (first character, the one after the last).
        """
        encoding = self.backend.encode(SURROGATES.sub("\ufffd", text), add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def pieces(self, words: Iterable[str]) -> list[list[int]]:
        """Token ids of words that stand for themselves, without special tokens: a list of lists of ids.

        Each is a word inside a sentence: where a space is a part of what follows it, it has one before it.
        """
        space = " " if self._is_byte_level else ""
        return [encoding.ids for encoding in self._encode_batch([space + word for word in words])]

    def continuations(self, pairs: Iterable[tuple[str, str]]) -> list[list[int]]:
        """Token ids of parts of words that go on with what stands before them, each cut by itself.

        Args:
            pairs: (the character before it, the part). What parts words beside white space, as punctuation does for
                WordPiece, is no beginning that goes on: "33" begins a word in "(33".

        Returns:
            A list of lists of ids: those of the pieces that a word's inside is cut into, such as ##은 or 은 for ▁은.
        """
        clean = [tuple(SURROGATES.sub("\ufffd", each) for each in pair) for pair in pairs]
        return [self._continuation(*pair) for pair in clean]

    def _continuation(self, before: str, part: str) -> list[int]:
        model = self.backend.model
        if self._is_byte_level:
            words = [word for word, _ in _BYTES.pre_tokenize_str(self._normal(part))]
            return [token.id for word in words for token in model.tokenize(word)]
        if not isinstance(model, models.WordPiece):
            return [token.id for token in model.tokenize(self._normal(part).strip().removeprefix("▁"))]
        words = [word for word, _ in self.backend.pre_tokenizer.pre_tokenize_str(self._normal(before + part))]
        # around a Chinese character, which is a word, the normalizer puts spaces
        rest, ids = words.pop(0).removeprefix(self._normal(before).strip()) if words else "", []
        if rest:
            mark = model.continuing_subword_prefix
            inside = model.tokenize(f"{mark}{rest}")
            known = all(token.value.startswith(mark) for token in inside)
            ids = [token.id for token in inside] if known else [self.unk_id]
        return ids + [token.id for word in words for token in model.tokenize(word)]

    def _normal(self, text: str) -> str:
        return self.backend.normalizer.normalize_str(text) if self.backend.normalizer else text

    def _encode_batch(self, texts: list[str]) -> list[hf.Encoding]:
        try:
            return self.backend.encode_batch_fast(texts, add_special_tokens=False)
        except (UnicodeEncodeError, TypeError):
            if not all(isinstance(text, str) for text in texts):
                raise
            texts = [SURROGATES.sub("\ufffd", text) for text in texts]
            return self.backend.encode_batch_fast(texts, add_special_tokens=False)

    def save(self, folder: str | os.PathLike[str], model_max_length: int, *, has_token_types: bool = True) -> None:
        """Writes tokenizer.json, tokenizer_config.json and, where there is one, the SentencePiece model into a folder.

        Args:
            folder: an existing folder.
            model_max_length: positions that other tools cut text at.
            has_token_types: whether other tools give the encoder token types, which some take none of.
        """
        folder = Path(folder)
        self.backend.save(str(folder / "tokenizer.json"), pretty=False)
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model_max_length,
            "model_input_names": ["input_ids", *(["token_type_ids"] if has_token_types else []), "attention_mask"],
            "clean_up_tokenization_spaces": False,
            **{
                role + "_token": token
                for role, token in self.special.items()
                if self.backend.token_to_id(token) is not None
            },
        }
        text = json.dumps(settings, ensure_ascii=False, indent=1) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8", errors="backslashreplace")
        if self.sentencepiece_model:
            (folder / "spiece.model").write_bytes(self.sentencepiece_model)


def surround(backend: hf.Tokenizer, special: Mapping[str, str]) -> hf.Tokenizer:
    """Adds to a tokenizers.Tokenizer what BERT, or RoBERTa, puts around a text, for tools that let the tokenizer do it;
    `special` names the tokens by their roles, as SPECIAL does. Returns it.
    """
    known = [token for token in special.values() if backend.token_to_id(token) is not None]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in known])
    cls, sep = special["cls"], special["sep"]
    if cls in known and sep in known:
        second = f"{sep}:0 $B:0 {sep}:0" if cls == FAIRSEQ["cls"] else f"$B:1 {sep}:1"
        backend.post_processor = processors.TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 {second}",
            special_tokens=[(token, backend.token_to_id(token)) for token in (cls, sep)],
        )
    return backend


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of neighbouring texts, at most CHUNK and, unless one alone is longer, CHARACTERS characters."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        if chunk and (len(chunk) == CHUNK or characters + len(text) > CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(text)
        characters += len(text)
    if chunk:
        yield chunk
