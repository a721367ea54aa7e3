"""The tokenizer of a model folder, in whichever of the published layouts it is."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers as hf
from tokenizers import models

from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.json_files import read_json
from nsmc_bert.model.tokenizers.tokenizer import FAIRSEQ, SPECIAL, SURROGATES, Tokenizer
from nsmc_bert.model.tokenizers.unigram import from_sentencepiece
from nsmc_bert.model.tokenizers.wordpiece import from_vocab, guess_rules, read_vocabulary

FILES = ("tokenizer.json", "vocab.txt", "spiece.model", "vocab.json with merges.txt")
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
    return _from_transformers(source, tokenizer.backend)


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
    lower, strip = guess_rules(read_vocabulary(path), special)
    if not lower or not strip and settings.get("strip_accents") is None:
        more = "" if strip == lower else f', "strip_accents": {str(strip).lower()}'
        raise UserError(
            f"{path}: found pieces that lower-casing text and stripping its accents never leaves, which transformers "
            f"does where no "
            f"file says otherwise; expected tokenizer_config.json beside it to say what to do: "
            f'{{"do_lower_case": {str(lower).lower()}{more}}}'
        )


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
    made, special = tokenizer.backend, tokenizer.special
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


def _json(path: Path) -> dict[str, Any]:
    return read_json(path, SETTINGS) if path.is_file() else {}


def _token(value: Any) -> str:
    """A special token's text, which a configuration gives as a string or as an object."""
    text = value.get("content") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise UserError(f"found the special token {shorten(value)}, expected a string, or an object with its content")
    return SURROGATES.sub("\ufffd", text)
