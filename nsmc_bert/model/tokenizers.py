"""Text to token ids: WordPiece, SentencePiece and byte-level BPE behind one interface, many texts at a time.

Whatever a folder holds (tokenizer.json, a SentencePiece model, KoBERT's model with its vocabulary beside it, a
WordPiece vocabulary, RoBERTa's vocab.json and merges.txt) becomes one `tokenizers.Tokenizer`, which is also what a
model folder is written with: other tools that open the folder cut text exactly as this project does.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers as hf
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, processors

from nsmc_bert import bundled as shipped
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.files import whole_folder
from nsmc_bert.base.json_files import read_json

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
FILES = ("tokenizer.json", "vocab.txt", "spiece.model", "vocab.json with merges.txt")
FAIRSEQ = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
_TOKEN = (str, {"content": str}, None)
SETTINGS = {  # the shape of a tokenizer_config.json
    **{role + "_token?": _TOKEN for role in SPECIAL},
    "model_max_length?": (float, None),
    "max_len?": (float, None),
    "do_lower_case?": (bool, None),
    "strip_accents?": (bool, None),
    "tokenize_chinese_chars?": bool,
    "tokenizer_class?": (str, None),
    "model_type?": str,
    "added_tokens_decoder?": ({str: {"content": str}}, None),
    "additional_special_tokens?": ([_TOKEN[:2]], None),
}
CHUNK = 4096  # texts whose intermediate objects are in memory at a time,
CHARACTERS = 1 << 20  # and their characters, about: each takes some 25 bytes then
# classes of transformers that read a vocab.txt alike, and a SentencePiece model
WORDPIECE = ("", "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
UNIGRAM = ("", "XLNetTokenizer", "AlbertTokenizer", "KoBERTTokenizer", "KoBertTokenizer", "XLMRobertaTokenizer")
BPE = ("RobertaTokenizer",)
# the class of a folder that names none, by the model_type of its config.json, where BERT's would not do
CLASSES = {"roberta": "RobertaTokenizer", "xlm-roberta": "XLMRobertaTokenizer", "albert": "AlbertTokenizer"}
NAMES = {  # of special tokens where a folder names none, by class; else SPECIAL
    "RobertaTokenizer": FAIRSEQ,
    "XLMRobertaTokenizer": FAIRSEQ,
    "AlbertTokenizer": {"pad": "<pad>", "unk": "<unk>"},
}
BERTS = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}  # BertTokenizer's defaults
# what str.split parts at, as regular expressions of any kind have it
SPACES = r"[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
_SURROGATES = re.compile("[\ud800-\udfff]")
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
        >>> tokenizer = bundled()
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
        self._backend = backend
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
        return max(self._backend.get_vocab().values()) + 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """A checksum of everything that decides ids."""
        # the library's JSON loses the last bit of a score, so a tokenizer that was saved and read again differs there
        text = re.sub(r"-?\d+\.\d{6,}", lambda score: f"{float(score[0]):.5f}", self._backend.to_str())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def rules(self) -> dict[str, Any]:
        """All that decides ids, as tokenizer.json has it."""
        return json.loads(self._backend.to_str())

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
        return [self._backend.id_to_token(i) or "" for i in range(self.vocab_size)]

    @functools.cached_property
    def _is_byte_level(self) -> bool:
        """Whether pieces are bytes, and a space is one of them."""
        return "ByteLevel(" in repr(self._backend.pre_tokenizer)

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
        encoding = self._backend.encode(_SURROGATES.sub("\ufffd", text), add_special_tokens=False)
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
        clean = [tuple(_SURROGATES.sub("\ufffd", each) for each in pair) for pair in pairs]
        return [self._continuation(*pair) for pair in clean]

    def _continuation(self, before: str, part: str) -> list[int]:
        model = self._backend.model
        if self._is_byte_level:
            words = [word for word, _ in _BYTES.pre_tokenize_str(self._normal(part))]
            return [token.id for word in words for token in model.tokenize(word)]
        if not isinstance(model, models.WordPiece):
            return [token.id for token in model.tokenize(self._normal(part).strip().removeprefix("▁"))]
        words = [word for word, _ in self._backend.pre_tokenizer.pre_tokenize_str(self._normal(before + part))]
        # around a Chinese character, which is a word, the normalizer puts spaces
        rest, ids = words.pop(0).removeprefix(self._normal(before).strip()) if words else "", []
        if rest:
            mark = model.continuing_subword_prefix
            inside = model.tokenize(f"{mark}{rest}")
            known = all(token.value.startswith(mark) for token in inside)
            ids = [token.id for token in inside] if known else [self.unk_id]
        return ids + [token.id for word in words for token in model.tokenize(word)]

    def _normal(self, text: str) -> str:
        return self._backend.normalizer.normalize_str(text) if self._backend.normalizer else text

    def _encode_batch(self, texts: list[str]) -> list[hf.Encoding]:
        try:
            return self._backend.encode_batch_fast(texts, add_special_tokens=False)
        except (UnicodeEncodeError, TypeError):
            if not all(isinstance(text, str) for text in texts):
                raise
            texts = [_SURROGATES.sub("\ufffd", text) for text in texts]
            return self._backend.encode_batch_fast(texts, add_special_tokens=False)

    def save(self, folder: str | os.PathLike[str], model_max_length: int, *, has_token_types: bool = True) -> None:
        """Writes tokenizer.json, tokenizer_config.json and, where there is one, the SentencePiece model into a folder.

        Args:
            folder: an existing folder.
            model_max_length: positions that other tools cut text at.
            has_token_types: whether other tools give the encoder token types, which some take none of.
        """
        folder = Path(folder)
        self._backend.save(str(folder / "tokenizer.json"), pretty=False)
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model_max_length,
            "model_input_names": ["input_ids", *(["token_type_ids"] if has_token_types else []), "attention_mask"],
            "clean_up_tokenization_spaces": False,
            **{
                role + "_token": token
                for role, token in self.special.items()
                if self._backend.token_to_id(token) is not None
            },
        }
        text = json.dumps(settings, ensure_ascii=False, indent=1) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8", errors="backslashreplace")
        if self.sentencepiece_model:
            (folder / "spiece.model").write_bytes(self.sentencepiece_model)


def load(folder: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer of a model folder.

    Args:
        folder: holds tokenizer.json, or a SentencePiece model (spiece.model, tokenizer.model, *.spiece; KoBERT's
            tokenizer_*.model with the vocab.txt or vocabulary JSON that its ids come from), vocab.txt, or vocab.json
            with merges.txt.

    Returns:
        A Tokenizer.

    Raises:
        UserError: there is none of these, or a file is broken.
    """
    source = _Folder.of(Path(folder))
    path = source.path
    sentencepiece = next((p for pattern in ("*.spiece", "*.model") for p in sorted(path.glob(pattern))), None)
    has_vocabulary = (path / "vocab.txt").is_file()
    if (path / "tokenizer.json").is_file():
        return _from_json(source, sentencepiece)
    if sentencepiece and not (source.name in WORDPIECE[1:] and has_vocabulary):
        return _from_unigram(source, sentencepiece)
    if has_vocabulary:
        return _from_wordpiece(source)
    if (path / "vocab.json").is_file() and (path / "merges.txt").is_file():
        source.check_class(BPE)
        pieces_of_bytes = read_json(path / "vocab.json", {str: int}, "a vocabulary of byte-level BPE")
        return _from_transformers(source, hf.Tokenizer(models.BPE(pieces_of_bytes, [])))
    raise UserError(f"{path}: found no tokenizer, expected one of {', '.join(FILES)}")


@dataclasses.dataclass(frozen=True)
class _Folder:
    """A folder, and what its JSON files say of its tokenizer.

    Attributes:
        path: the folder.
        settings: what tokenizer_config.json says, or special_tokens_map.json.
        name: the class of transformers, without Fast; "" for BERT's.
    """

    path: Path
    settings: Mapping[str, Any]
    name: str

    @classmethod
    def of(cls, path: Path) -> _Folder:
        """Reads them.

        Raises:
            UserError: the folder cuts text in ways that this project does not know.
        """
        settings = _json(path / "tokenizer_config.json")
        if "added_tokens_decoder" not in settings:  # transformers goes by the older file then
            settings = {**settings, **_json(path / "special_tokens_map.json")}
        return cls(path, settings, _class(path, settings))

    @property
    def special(self) -> dict[str, str]:
        """The names of the special tokens, as far as the folder or its class tells them."""
        tokens = {role: self.settings.get(role + "_token") for role in SPECIAL}
        return {**NAMES.get(self.name, {}), **{role: _token(token) for role, token in tokens.items() if token}}

    @property
    def model_max_length(self) -> int | None:
        """Positions that the encoder was made for; None where nobody says, or where it is no number of positions."""
        limit = self.settings.get("model_max_length", self.settings.get("max_len"))
        return int(limit) if isinstance(limit, (int, float)) and limit < 1e6 else None

    @property
    def added(self) -> list[str]:
        """The tokens that it adds to a vocabulary, in any of the ways that transformers knows."""
        added = self.settings.get("added_tokens_decoder")
        added = _json(self.path / "added_tokens.json") if added is None else added.values()
        return [_token(token) for token in (*(self.settings.get("additional_special_tokens") or ()), *added)]

    def check_class(self, classes: Sequence[str]) -> None:
        """Raises a UserError unless the class is one of these."""
        if self.name not in classes:
            named = [name for name in classes if name]
            expected = f"{'one of ' * (len(named) > 1)}{', '.join(named)}"
            raise UserError(
                f"{self.path}: found tokenizer_class {shorten(self.name)} and no tokenizer.json, expected {expected}"
            )


def _class(folder: Path, settings: Mapping[str, Any]) -> str:
    """The class of transformers that a folder names, or that its family has, without Fast; "" for BERT's.

    Raises:
        UserError: it cuts text in ways that this project does not know.
    """
    config = {} if settings.get("tokenizer_class") else _json(folder / "config.json")
    name = settings.get("tokenizer_class") or config.get("tokenizer_class") or ""
    # whose vocabulary is BERT's, as Korean ALBERTs have it, cuts text as BERT does
    if not name and not (folder / "vocab.txt").is_file():
        name = CLASSES.get(config.get("model_type", ""), "")
    name = str(name).removesuffix("Fast")
    ways = {
        "word_tokenizer_type": "basic",
        "subword_tokenizer_type": "wordpiece",
        "do_basic_tokenize": True,
        "never_split": None,
        "split_special_tokens": False,
    }
    for key, way in ways.items():
        if settings.get(key) not in (way, None, []):
            raise UserError(f"{folder}: found {key} {shorten(settings[key])} in tokenizer_config.json, expected {way}")
    if name == "BertJapaneseTokenizer":
        raise UserError(f"{folder}: found tokenizer_class {name}, expected one that needs no dictionary: BertTokenizer")
    return name


def _from_json(source: _Folder, sentencepiece: Path | None) -> Tokenizer:
    """The tokenizer of a tokenizer.json, and of the SentencePiece model beside it."""
    path = source.path / "tokenizer.json"
    try:
        backend = hf.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower one
        raise UserError(f"{path}: found no valid tokenizer ({shorten(str(error), 120)})") from None
    model = sentencepiece.read_bytes() if sentencepiece else None
    if not _is_plain(source, backend):
        return _from_transformers(source, backend, model)
    tokenizer = Tokenizer(backend, source.special, source.model_max_length, model)
    _check_special(source.path, tokenizer)
    return tokenizer


def _from_unigram(source: _Folder, sentencepiece: Path) -> Tokenizer:
    """The tokenizer of a SentencePiece model, with ids of its own, of XLM-R or of a vocabulary beside it."""
    source.check_class(UNIGRAM)
    name, settings = source.name, source.settings
    for role in SPECIAL:
        if isinstance(value := settings.get(role + "_token"), dict) and value.get("single_word"):
            raise UserError(f"{source.path}: found the {role}_token {shorten(value)}, expected one without single_word")
    vocabulary, cleaning = None, None
    if name != "XLMRobertaTokenizer":
        vocabularies = [source.path / "vocab.txt", *sorted(source.path.glob("*vocab*.json"))]
        vocabulary = next((path for path in vocabularies if path.is_file()), None)
        if name or "keep_accents" in settings or settings.get("do_lower_case"):
            cleaning = {
                "do_lower_case": bool(settings.get("do_lower_case", name == "AlbertTokenizer")),
                "keep_accents": bool(settings.get("keep_accents")),
                "remove_space": bool(settings.get("remove_space", True)),
            }
    return from_sentencepiece(
        sentencepiece,
        vocabulary,
        special=source.special,
        model_max_length=source.model_max_length,
        cleaning=cleaning,
        added=source.added,
        fairseq=name == "XLMRobertaTokenizer",
    )


def _from_wordpiece(source: _Folder) -> Tokenizer:
    """The tokenizer of a vocab.txt."""
    source.check_class(WORDPIECE)
    path, settings, special = source.path / "vocab.txt", source.settings, source.special
    rules: dict[str, Any] = {key: settings.get(key, default) for key, default in BERTS.items()}
    tokenizer = from_vocab(path, special=special, model_max_length=source.model_max_length, **rules)
    _check_stated(path, settings, special)
    # a special token that is an object says how it is found in a text, which transformers alone follows
    plain = not any(isinstance(settings.get(role + "_token"), dict) for role in SPECIAL)
    if plain and set(source.added) <= {*tokenizer.special.values()}:
        return tokenizer
    return _from_transformers(source, tokenizer._backend)


def _is_plain(source: _Folder, backend: hf.Tokenizer) -> bool:
    """Whether tokenizer.json alone decides: then transformers, which takes seconds to import, would change nothing."""
    settings = source.settings
    plain = {"tokenizer_class", "model_max_length", "model_input_names", "clean_up_tokenization_spaces"}
    tokens = {_token(settings[key]) for key in settings if key.endswith("_token") and settings[key]}
    return (
        settings.get("tokenizer_class") == "PreTrainedTokenizerFast"
        and all(key in plain or key.removesuffix("_token") in SPECIAL for key in settings)
        and not any((source.path / name).exists() for name in ("added_tokens.json", "special_tokens_map.json"))
        and tokens <= {token.content for token in backend.get_added_tokens_decoder().values()}
    )


def _check_stated(path: Path, settings: Mapping[str, Any], special: Mapping[str, str]) -> None:
    """Checks that what a vocabulary holds can come out of a text as its folder says that text is changed.

    Raises:
        UserError: the folder does not say whether text is lower-cased, and BertTokenizer, which does it then, would
            never give some of the pieces.
    """
    if settings.get("do_lower_case") is not None:
        return
    lower, strip = _guess(_pieces(path), special)
    if not lower or not strip and settings.get("strip_accents") is None:
        more = "" if strip == lower else f', "strip_accents": {str(strip).lower()}'
        raise UserError(
            f"{path}: found pieces that lower-casing text and stripping its accents never leaves, which transformers "
            f"does where no "
            f"file says otherwise; expected tokenizer_config.json beside it to say what to do: "
            f'{{"do_lower_case": {str(lower).lower()}{more}}}'
        )


def _guess(pieces: Iterable[str], special: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether text was lower-cased, and its accents stripped, before a WordPiece vocabulary was made of it, by what the
    vocabulary holds.
    """
    names = {**SPECIAL, **special}.values()
    words = [piece for piece in pieces if piece not in names and not re.fullmatch(r"\[.*\]|<.*>", piece)]
    few = len(words) / 1000  # such as Chinese BERT's <S> and <T>, which some copies spell &lt;S&gt;
    lower = sum(bool(re.search("[A-Z]", piece)) for piece in words) <= few
    whole = sum(unicodedata.normalize("NFD", piece) != piece for piece in words) > few
    jamo = sum(bool(re.search("[\u1100-\u11ff]", piece)) for piece in words) > few
    return lower, not whole and (lower or jamo)


def _from_transformers(source: _Folder, backend: hf.Tokenizer, sentencepiece_model: bytes | None = None) -> Tokenizer:
    """A folder as transformers' own tokenizer reads it.

    Args:
        source: the folder.
        backend: the tokenizers.Tokenizer of tokenizer.json or of vocab.txt, before transformers adds and changes
            anything.
        sentencepiece_model: its bytes.

    Raises:
        UserError: transformers cannot read it, does what no file says, or puts something else than [CLS] and [SEP]
            around a text.
    """
    folder, name = source.path, source.name
    before = json.loads(backend.to_str()).get("normalizer") or {}
    vocabulary = {*backend.get_vocab(), *source.added}
    mask = _token(source.settings.get("mask_token") or NAMES.get(name, SPECIAL).get("mask", SPECIAL["mask"]))
    options = {} if mask in vocabulary else {"mask_token": None}  # it would be added, beyond the encoder's vocabulary
    try:
        if name in WORDPIECE and not (name and (folder / "tokenizer.json").is_file()):
            from transformers.models.bert.tokenization_bert_fast import BertTokenizerFast

            reader: Any = BertTokenizerFast
        else:
            from transformers import AutoTokenizer

            reader = AutoTokenizer
        theirs = reader.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
        made = theirs.backend_tokenizer
    except Exception as error:  # of many kinds, for what a folder says
        raise UserError(f"{folder}: transformers cannot read its tokenizer ({shorten(str(error), 160)})") from None
    _check_normalizer(source, before, json.loads(made.to_str()).get("normalizer") or {})
    special = {role: str(getattr(theirs, role + "_token")) for role in SPECIAL if getattr(theirs, role + "_token")}
    lost = [token for token in special.values() if token not in vocabulary]
    if lost:
        raise UserError(f"{folder}: the tokenizer's vocabulary lacks the special tokens {', '.join(lost)}")
    limit = int(theirs.model_max_length) if theirs.model_max_length < 1e6 else None
    tokenizer = Tokenizer(made, special, limit, sentencepiece_model)
    _check_special(folder, tokenizer)
    return tokenizer


def _check_special(folder: Path, tokenizer: Tokenizer) -> None:
    """Checks that a tokenizer.json means the same special tokens as the files beside it.

    Raises:
        UserError: it puts something else than [CLS] and [SEP] around a text, or something else than [UNK] for what it
            does not know.
    """
    made, special = tokenizer._backend, tokenizer.special
    for text in ("", "a", "\U0010ffff"):  # the last is in no vocabulary
        try:
            whole, inner = made.encode(text), made.encode(text, add_special_tokens=False).ids
        except BaseException as error:  # a panic in Rust is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise UserError(f"{folder}: found a tokenizer.json whose parts do not fit together ({error})") from None
        if whole.ids != [tokenizer.cls_id, *inner, tokenizer.sep_id]:
            raise UserError(
                f"{folder}: found a tokenizer that makes {shorten(whole.tokens)} of {text!r}, expected "
                f"{special['cls']} before a text and {special['sep']} behind it, as BERT reads it"
            )
    added = made.get_added_tokens_decoder()
    if other := [added[number].content for number in inner if number in added and number != tokenizer.unk_id]:
        raise UserError(
            f"{folder}: found a tokenizer that makes {other[-1]} of what it does not know, expected its unk_token, "
            f"{special['unk']}"
        )


def _check_normalizer(source: _Folder, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuses a folder whose tokenizer.json transformers would overrule by what no file says.

    Args:
        before, after: the "normalizer" of tokenizer.json, and what transformers makes of it.
    """
    names = {
        "lowercase": "do_lower_case",
        "strip_accents": "strip_accents",
        "handle_chinese_chars": "tokenize_chinese_chars",
    }
    for key, name in names.items():
        if before.get(key) != after.get(key) and before.get(key) is not None and name not in source.settings:
            raise UserError(
                f"{source.path}: found {key} {json.dumps(before[key])} in tokenizer.json and no {name} in "
                f"tokenizer_config.json, for which transformers takes {json.dumps(after.get(key))}; expected "
                "it to be said there"
            )


@functools.cache
def bundled() -> Tokenizer:
    """The tokenizer that ships: 8,000 SentencePiece pieces learned from NSMC's training reviews."""
    return load(shipped.ENCODER)


def from_vocab(
    path: str | os.PathLike[str],
    *,
    do_lower_case: bool | None = None,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool = True,
    special: Mapping[str, str] | None = None,
    model_max_length: int | None = None,
) -> Tokenizer:
    """A WordPiece tokenizer from a vocabulary, one piece a line.

    Args:
        path: vocab.txt.
        do_lower_case: None: only if next to no piece holds a capital Latin letter.
        strip_accents: takes text apart by NFD, which takes Hangul syllables apart into jamo. None with `do_lower_case`
            given: as do_lower_case, which is BERT's rule; with neither given: if next to no piece would be taken apart.
        tokenize_chinese_chars: each Chinese character is a word.
        special, model_max_length: as in Tokenizer.

    Returns:
        A Tokenizer.

    Raises:
        UserError: the file cannot be read or has a piece twice.
    """
    pieces = _pieces(path)
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    if len(vocabulary) < len(pieces):
        twice = next(i for i, piece in enumerate(pieces) if vocabulary[piece] != i)
        raise Located(path, twice + 1, shorten(pieces[twice]) + " twice", "each piece once")
    special = {**SPECIAL, **(special or {})}
    if do_lower_case is None:
        do_lower_case, strips = _guess(pieces, special)
        strip_accents = strips if strip_accents is None else strip_accents
    backend = hf.Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk"], max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=tokenize_chinese_chars,
        strip_accents=strip_accents,
        lowercase=do_lower_case,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return Tokenizer(_finish(backend, special), special, model_max_length)


def from_sentencepiece(
    path: str | os.PathLike[str],
    vocabulary: str | os.PathLike[str] | None = None,
    *,
    special: Mapping[str, str] | None = None,
    model_max_length: int | None = None,
    cleaning: Mapping[str, bool] | None = None,
    added: Sequence[str] = (),
    fairseq: bool = False,
) -> Tokenizer:
    """A tokenizer from a SentencePiece unigram model, converted so that it gives the same pieces.

    Args:
        path: the model file.
        vocabulary: None, where ids are the model's own; or a file that gives each piece its id: vocab.txt, one piece a
            line, or JSON with `idx_to_token`, as KoBERT has it.
        special, model_max_length: as in Tokenizer.
        cleaning: None, or {"do_lower_case": bool, "keep_accents": bool, "remove_space": bool, which may lack}: what is
            done to text before the model sees it, as transformers' XLNetTokenizer does it, which KoBERT's derives from.
        added: tokens that stand for themselves wherever they occur; they are pieces of the model.
        fairseq: whether ids are those of XLM-R: <s>, <pad>, </s> and <unk>, the model's pieces from its fourth one on,
            and <mask>.

    Returns:
        A Tokenizer.

    Raises:
        UserError: the file is no unigram model, or none that can be converted exactly, or pieces of it are not in the
            vocabulary.
    """
    data = _read(path)
    proto = _unigram(path, data)
    pieces = _by_id(path, proto, vocabulary, fairseq)
    names = {**SPECIAL, **(special or {})}
    if names["unk"] not in pieces:
        names["unk"] = next(piece.piece for piece in proto.pieces if piece.type == 2)
    if lost := [token for token in added if token not in pieces]:
        raise UserError(f"{path}: found the added tokens {shorten(lost)}, which are no pieces of the model")
    if proto.trainer_spec.treat_whitespace_as_suffix or not proto.normalizer_spec.escape_whitespaces:
        raise UserError(
            f"{path}: found a SentencePiece model that marks the ends of words, expected one that marks beginnings"
        )
    symbols = [piece.piece for piece in proto.pieces if piece.type == 4 and piece.piece not in names.values()]
    scores = _scores(proto, names.values(), symbols, bool(cleaning))
    floor = min(piece.score for piece in proto.pieces) - 20.0  # never a piece of running text
    backend = hf.Tokenizer(
        models.Unigram(
            [(piece, scores.get(piece, floor)) for piece in pieces],
            unk_id=pieces.index(names["unk"]),
            byte_fallback=proto.trainer_spec.byte_fallback,
        )
    )
    steps = _normalizers(path, proto, cleaning)
    backend.normalizer = normalizers.Sequence(steps)
    changed = [symbol for symbol in symbols if backend.normalizer.normalize_str(symbol) != symbol]
    if changed:
        raise UserError(
            f"{path}: found a user-defined symbol that normalisation changes, {shorten(changed[0])}, which only "
            f"sentencepiece itself keeps whole; "
            "expected a model without"
        )
    prefix = proto.normalizer_spec.add_dummy_prefix
    if prefix and not proto.normalizer_spec.remove_extra_whitespaces:
        # before white space too, where Metaspace puts none
        backend.normalizer, prefix = normalizers.Sequence([*steps, normalizers.Prepend("▁")]), False
    backend.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="▁",
        prepend_scheme="always" if prefix else "never",
        split=not any("▁" in piece[1:] for piece in scores),
    )
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    return Tokenizer(_finish(backend, names), names, model_max_length, data)


def _unigram(path: str | os.PathLike[str], data: bytes) -> Any:
    """The ModelProto of a SentencePiece unigram model's file.

    Raises:
        UserError: it is none.
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made at import
    try:
        proto.ParseFromString(data)
    except Exception:  # protobuf's exception has moved between its versions
        proto.Clear()
    if not proto.pieces or proto.trainer_spec.model_type != 1:
        raise UserError(f"{path}: found no SentencePiece unigram model")
    if odd := [piece.piece for piece in proto.pieces if not isinstance(piece.piece, str)]:  # as protobuf gives them
        raise UserError(f"{path}: found the piece {shorten(odd[0])}, which is no UTF-8; the file is damaged")
    return proto


def _by_id(
    path: str | os.PathLike[str], proto: Any, vocabulary: str | os.PathLike[str] | None, fairseq: bool
) -> list[str]:
    """The pieces of a SentencePiece model by their ids; see from_sentencepiece.

    Raises:
        UserError: the vocabulary is not the model's, or its ids are not XLM-R's.
    """
    pieces = list(dict.fromkeys(piece.piece for piece in proto.pieces))
    if vocabulary is not None:
        if str(vocabulary).endswith(".json"):
            pieces = read_json(vocabulary, {"idx_to_token": [str]}, "a vocabulary as KoBERT has it")["idx_to_token"]
        else:
            pieces = _pieces(vocabulary)
        listed = set(pieces)
        if lost := [piece.piece for piece in proto.pieces if piece.type == 1 and piece.piece not in listed]:
            raise UserError(
                f"{vocabulary}: found {len(lost)} pieces of {path} missing ({shorten(lost[0])} …), expected the "
                "vocabulary that belongs to it"
            )
    if fairseq:
        if pieces[:3] != ["<unk>", "<s>", "</s>"]:
            raise UserError(f"{path}: found pieces that begin with {shorten(pieces[:3])}, expected <unk>, <s> and </s>")
        pieces = ["<s>", "<pad>", "</s>", "<unk>", *pieces[3:], "<mask>"]
    return pieces


def _scores(proto: Any, special: Collection[str], symbols: Sequence[str], cleans: bool) -> dict[str, float]:
    """The scores of the pieces that SentencePiece finds in text: the normal ones, and symbols that a user defined."""
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == 1 and piece.piece not in special}
    if cleans:  # 9, is 9 and a comma
        scores = {piece: score - 100 if re.search(r"\d,$", piece) else score for piece, score in scores.items()}
    best = max(scores.values(), default=0.0)
    return scores | {piece: len(piece.encode()) * best - 0.1 for piece in symbols}  # what SentencePiece gives them


def _normalizers(
    path: str | os.PathLike[str], proto: Any, cleaning: Mapping[str, bool] | None
) -> list[normalizers.Normalizer]:
    """What is done to text before a SentencePiece model cuts it: what `cleaning` says, and then the model's own rules.

    Raises:
        UserError: the model's rules are damaged.
    """
    steps = _cleaning(**cleaning) if cleaning else []
    if rules := proto.normalizer_spec.precompiled_charsmap:
        try:
            steps.append(normalizers.Precompiled(rules))
        except Exception as error:  # the library raises no narrower one
            raise UserError(f"{path}: found no whole SentencePiece model ({error})") from None
        if "nfkc" in proto.normalizer_spec.name:
            # SentencePiece puts jamo that were typed one by one together (ㅈㅐ, 재); Precompiled sees each apart
            steps.append(normalizers.NFC())
    if proto.normalizer_spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    return steps


def _cleaning(do_lower_case: bool, keep_accents: bool, remove_space: bool = True) -> list[normalizers.Normalizer]:
    """What XLNetTokenizer does to text before its SentencePiece model: normalizers."""
    steps: list[normalizers.Normalizer] = []
    if remove_space:
        steps += [normalizers.Replace(Regex(SPACES), " "), normalizers.Strip()]
    steps += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not keep_accents:
        steps += [normalizers.NFKD(), normalizers.Replace(Regex(_combining()), "")]
    return [*steps, normalizers.Lowercase()] if do_lower_case else steps


@functools.cache
def _combining() -> str:
    """A regular expression for a character that Unicode combines with the one before it."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code))]
    runs = [[code for _, code in run] for _, run in itertools.groupby(enumerate(codes), lambda pair: pair[1] - pair[0])]
    return "[" + "".join(rf"\x{{{run[0]:x}}}-\x{{{run[-1]:x}}}" for run in runs) + "]"


def learn(texts: Iterable[str], vocab_size: int, folder: str | os.PathLike[str], model_max_length: int) -> Tokenizer:
    """Learns a SentencePiece unigram tokenizer from texts and writes it into a folder.

    Args:
        texts: iterable of str.
        vocab_size: pieces, the five special ones included.
        folder: where to; it is made.
        model_max_length: positions of the encoder that it is for.

    Returns:
        The Tokenizer.

    Raises:
        UserError: the texts hold too few different pieces.
    """
    import sentencepiece

    with whole_folder(Path(folder)) as part:
        try:
            with open(part / "spiece.model", "wb") as file:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(texts),
                    model_writer=file,
                    vocab_size=vocab_size,
                    model_type="unigram",
                    character_coverage=0.9995,
                    pad_id=0,
                    unk_id=1,
                    bos_id=-1,
                    eos_id=-1,
                    pad_piece="[PAD]",
                    unk_piece="[UNK]",
                    control_symbols=["[CLS]", "[SEP]", "[MASK]"],
                    normalization_rule_name="nmt_nfkc",
                    minloglevel=2,
                )
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[-1][:200]
            raise UserError(
                f"a tokenizer of {vocab_size} pieces cannot be learned from these texts ({reason})"
            ) from None
        tokenizer = from_sentencepiece(part / "spiece.model", model_max_length=model_max_length)
        tokenizer.save(part, model_max_length)
    return tokenizer


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


def _finish(backend: hf.Tokenizer, special: Mapping[str, str]) -> hf.Tokenizer:
    """Adds what BERT, or RoBERTa, puts around a text, for tools that let the tokenizer do it."""
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


def _pieces(path: str | os.PathLike[str]) -> list[str]:
    """The pieces of a vocabulary, one a line.

    Raises:
        UserError: it cannot be read or is no UTF-8.
    """
    pieces = []
    for number, line in enumerate(_read(path).rstrip(b"\n").split(b"\n"), 1):
        try:
            pieces.append(line.decode("utf-8").rstrip("\r"))
        except UnicodeDecodeError:
            raise Located(path, number, "bytes that are no UTF-8", "a vocabulary in UTF-8") from None
    return pieces


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _json(path: Path) -> dict[str, Any]:
    return read_json(path, SETTINGS) if path.is_file() else {}


def _token(value: Any) -> str:
    """A special token's text, which a configuration gives as a string or as an object."""
    text = value.get("content") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise UserError(f"found the special token {shorten(value)}, expected a string, or an object with its content")
    return _SURROGATES.sub("\ufffd", text)
