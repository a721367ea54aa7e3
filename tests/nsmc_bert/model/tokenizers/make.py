"""Texts, vocabularies and folders that the tokenizers' tests share."""

from pathlib import Path

from nsmc_bert.model import tokenizers

REVIEWS = [
    "이 영화 엄청 재미있네요",
    "이 영화 엄청 재미없네요",
    "",
    "   ",
    "ㅋㅋㅋ 진짜ㅠㅠ 최고 😂 10점!!",
    "굿",
    "ＡＢＣ ① ﷺ e\u0301 ㅈㅐ밌다",
    "a\tb\u3000c\u200bd\x00e",
]


def rows(encoded):
    return [encoded.ids[a:b].tolist() for a, b in zip(encoded.row_splits, encoded.row_splits[1:])]


def write_vocab(folder, pieces):
    path = folder / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


WORDPIECE = "[PAD] [UNK] [CLS] [SEP] [MASK] 재미 ##있 ##네요 영화 ! a ##b".split()


def some_reviews(data_dir, count):
    lines = (data_dir / "nsmc" / "ratings_train.txt").read_text(encoding="utf-8").split("\n")[1 : count + 1]
    return [line.split("\t")[1] for line in lines] + REVIEWS


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "",
    "영화 재미있다!",
    "Café cafés The GOOD good Good",
    "中國 abc",
    "영화ㅋㅋㅋ ㅋㅋ",
    "각 가각 영화",
    "[MASK] [USER] 영화[USER]영화",
    "ㅠㅠ영화ㅠㅠ good",
    "<e1> the <e1>the",
    "e\u0301 a\u200bb \x00 good\tgood",
    "<ENT> 영화<ENT>",
    " 영화  good <mask> 영화<mask>good</s>",
    "İstanbul ẞ ß",
    "[UNK]영화 [unk]",
]


def write_byte_level(folder, name):
    """Writes vocab.json and merges.txt of RoBERTa's kind, or a tokenizer.json made of them."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers.models.roberta.tokenization_roberta_fast import RobertaTokenizerFast

    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(TEXTS, 300, show_progress=False, special_tokens=list(tokenizers.FAIRSEQ.values()))
    files = learned.save_model(str(folder))
    if name == "tokenizer.json":
        RobertaTokenizerFast(*files).backend_tokenizer.save(str(folder / name))
        for file in files:
            (folder / Path(file).name).unlink()
