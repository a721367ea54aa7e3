"""probing.sources.gum: a document by hand in all its layers, and the corpus' counts."""

import re

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.sources import gum
from probing.tasks import TASKS

DEP = (
    ("1", "The", "DT", "2", "det", "Entity=(1-abstract-new-cf1-2-coref"),
    ("2", "thing", "NN", "5", "nsubj", "_"),
    ("3", "about", "IN", "4", "case", "SpaceAfter=No"),
    ("4", "Disney", "NNP", "2", "nmod", "X=1|Entity=(2-organization-new-cf2-1-coref-Disney)1)|Y=2"),
    ("5", "(is)", "VBZ", "0", "root", "_"),
    (),
    ("1-2", "It's", "_", "_", "_", "_"),
    ("1", "It", "PRP", "3", "nsubj", "Entity=(2-organization-giv-cf1-1-coref)"),
    ("2", "'s", "VBZ", "3", "cop", "_"),
    ("3", "fun", "JJ", "0", "root", "_"),
)
CONST = (
    "(ROOT\n  (S\n    (NP-SBJ\n      (NP (DT The) (NN thing))\n      (PP-LOC (IN about) (NP (NNP\n        Disney))))\n"
    "    (VP (VBZ -LRB-is-RRB-))))\n\n(ROOT (S (NP-SBJ (PRP It)) (VP (VBZ 's) (ADJP-PRD (JJ fun)))))\n"
)
COREF = (
    "# begin document \n0\tThe\t(1\n1\tthing\t_\n2\tabout\t_\n3\tDisney\t(2)1)\n4\t\t_\n"
    "5\tIt\t(2)(3\n6\t's\t_\n7\tfun\t(2)3)\n# end document\n"
)


def dep(rows):
    lines = ["# sent_id = GUM_x-1"]
    for row in rows:
        if row:
            id, form, xpos, head, deprel, misc = row
            lines.append("\t".join([id, form, "_", xpos[:1], xpos, "_", head, deprel, "_", misc]))
        else:
            lines += ["", "# sent_id = GUM_x-2"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def corpus(tmp_path):
    for name in ("dep", "const", "ontogum"):
        (tmp_path / name).mkdir()
    (tmp_path / "train.txt").write_text("GUM_x\n\n")
    (tmp_path / "dep" / "GUM_x.conllu").write_text(dep(DEP))
    (tmp_path / "const" / "GUM_x.ptb").write_text(CONST)
    (tmp_path / "ontogum" / "GUM_x.conll").write_text(COREF)
    return tmp_path


def read(corpus, task, **options):
    [split] = gum.splits(corpus, task, **options).values()
    return list(split.records), dict(split.notes)


def spans(record):
    return [(*target.span1, *(target.span2 or ()), *target.labels) for target in record.targets]


def test_words_tags_and_dependencies(corpus):
    (first, second), notes = read(corpus, "pos")
    assert (first.text, second.text) == ("The thing about Disney (is)", "It 's fun")
    assert first.info == {"source": "GUM", "sent_id": "GUM_x-1"}
    assert spans(second) == [(0, 1, "PRP"), (1, 2, "VBZ"), (2, 3, "JJ")]
    assert [target.labels[0] for target in read(corpus, "pos", tags="upos")[0][1].targets] == ["P", "V", "J"]
    assert spans(read(corpus, "dep")[0][1]) == [(0, 1, 2, 3, "nsubj"), (1, 2, 2, 3, "cop"), (2, 3, 2, 3, "root")]
    assert not notes


def test_constituents(corpus):
    (first, second), _ = read(corpus, "constituents")
    assert spans(first) == [
        (0, 5, "TOP"),
        (0, 5, "S"),
        (0, 4, "NP"),
        (0, 2, "NP"),
        (2, 4, "PP"),
        (3, 4, "NP"),
        (4, 5, "VP"),
    ]
    assert [target.info for target in first.targets[2:5]] == [
        {"height": 4, "grammatical_rule": ["SBJ"]},
        {"height": 2},
        {"height": 3, "adverbials": ["LOC"]},
    ]
    assert spans(second) == [(0, 3, "TOP"), (0, 3, "S"), (0, 1, "NP"), (1, 3, "VP"), (2, 3, "ADJP")]


def test_entities_may_be_nested(corpus):
    (first, second), notes = read(corpus, "entities")
    assert spans(first) == [(0, 4, "abstract"), (3, 4, "organization")]
    assert spans(second) == [(0, 1, "organization")]
    assert not notes


def test_coreference_within_a_sentence(corpus):
    (first, second), _ = read(corpus, "coref")
    assert spans(first) == [(0, 4, 3, 4, "0")]
    # It, all three words, fun: chains 2, 3, 2
    assert spans(second) == [(0, 1, 0, 3, "0"), (0, 1, 2, 3, "1"), (0, 3, 2, 3, "0")]


def test_upstream_s_folder_of_coreference(corpus):
    (corpus / "coref" / "ontogum").mkdir(parents=True)
    (corpus / "ontogum").rename(corpus / "coref" / "ontogum" / "conll")
    assert len(read(corpus, "coref")[0]) == 2


def test_mentions_across_sentences_are_counted(corpus):
    rows = [list(row) for row in DEP]
    rows[4][5], rows[7][5] = "Entity=(9-person-new", "Entity=9)"
    (corpus / "dep" / "GUM_x.conllu").write_text(dep(rows))
    found, notes = read(corpus, "entities")
    assert [len(record.targets) for record in found] == [2, 0]
    assert notes == {
        "mention that begins in another sentence: left out": 1,
        "mention that ends in another sentence: left out": 1,
    }


def test_the_corpus_own_list_of_documents(corpus):
    (corpus / "train.txt").unlink()
    for name in ("GUM_y", "GUM_reddit_z"):
        words = dep(DEP) if name == "GUM_y" else dep([row and (row[0], "_", *row[2:]) for row in DEP])
        (corpus / "dep" / (name + ".conllu")).write_text(words)
    (corpus / "splits.md").write_text(
        "# Splits\n\nThe following splits:\n\n## dev\n\n  * GUM_x\n\n## test2\n\n  * GENTLE_poetry_road\n\n"
        "## train\n\n  * GUM_y\n  * GUM_reddit_z\n"
    )
    splits = gum.splits(corpus, "pos")
    assert {name: len(list(split.records)) for name, split in splits.items()} == {"train": 2, "dev": 2}
    [(reason, times)] = splits["train"].notes.items()
    assert (reason[:31], times) == ("document without its words (all", 1)
    (corpus / "splits.md").write_text("## test\n\n  * GUM_none\n")
    with pytest.raises(Located, match="splits.md:3: found the document 'GUM_none' and no file for it"):
        read(corpus, "pos")
    (corpus / "train.txt").write_text("GUM_x\n")  # a list of one's own counts instead
    assert list(gum.splits(corpus, "pos")) == ["train"]


def older(text, whole_labels):
    """The mentions as GUM's versions 7 and 6 write them: the type first; the latter close with the whole label."""
    types = dict(re.findall(r"\((\d+)-(\w+)-", text))
    text = re.sub(r"\((\d+)-(\w+)-", r"(\2-\1-", text)
    return re.sub(r"(?<=[=)])(\d+)\)", lambda match: f"{types[match[1]]}-{match[1]})", text) if whole_labels else text


@pytest.mark.parametrize("header", ["", "# global.Entity = entity-GRP-infstat-MIN-coref_type-identity\n"])
def test_older_releases_write_the_type_first(corpus, header):
    text = header + older(dep(DEP), whole_labels=not header)
    assert "(abstract-1-new" in text
    (corpus / "dep" / "GUM_x.conllu").write_text(text)
    (first, second), notes = read(corpus, "entities")
    assert spans(first) == [(0, 4, "abstract"), (3, 4, "organization")]
    assert spans(second) == [(0, 1, "organization")]
    assert not notes


@pytest.mark.parametrize("order", ["etype-identity", "entity-GRP-infstat"])
def test_mentions_in_another_order_than_the_document_says(corpus, order):
    (corpus / "dep" / "GUM_x.conllu").write_text(f"# global.Entity = {order}\n" + dep(DEP))
    with pytest.raises(Located, match=f"GUM_x.conllu:3: found the entity '1-abstract-new-.*, in the order '{order}'"):
        read(corpus, "entities")


def test_a_malformed_mention_takes_no_time(corpus):
    (corpus / "dep" / "GUM_x.conllu").write_text(
        dep(DEP).replace("cf1-1-coref)", "cf1-1-coref)" + "(1-x)" * 2000 + "(")
    )
    with pytest.raises(Located, match=r"expected \(id-type-"):
        read(corpus, "entities")


@pytest.mark.parametrize(
    ("task", "path", "text", "message"),
    [
        (
            "pos",
            "train.txt",
            "GUM_x\nGUM_y\n",
            "train.txt:2: found the document 'GUM_y' and no file for it, expected dep/GUM_y.",
        ),
        (
            "coref",
            "train.txt",
            "GUM_x\nGUM_y\n",
            "train.txt:2: found the document 'GUM_y' and no file for it, expected dep/GUM_",
        ),
        (
            "entities",
            "dep/GUM_x.conllu",
            dep(DEP).replace("cf1-1-coref)", "cf1-1-coref)("),
            "GUM_x.conllu:10: found 'Entity=(2",
        ),
        (
            "constituents",
            "const/GUM_x.ptb",
            CONST + CONST,
            "GUM_x.ptb: found 4 trees, expected 2, one for each sentence in dep/",
        ),
        (
            "constituents",
            "const/GUM_x.ptb",
            CONST.replace("(VBZ 's)", ""),
            "GUM_x.ptb:9: found a tree of 2 words, expected the ",
        ),
        ("constituents", "const/GUM_x.ptb", CONST + "(ROOT (S", "GUM_x.ptb:10: found a tree that is never closed"),
        ("constituents", "const/GUM_x.ptb", CONST + ")", "GUM_x.ptb:10: found ')', expected a tree, such as (ROOT"),
        ("constituents", "const/GUM_x.ptb", CONST + "word", "GUM_x.ptb:10: found 'word', expected a tree"),
        (
            "constituents",
            "const/GUM_x.ptb",
            CONST.replace("(JJ fun)", "(JJ fun fun)"),
            "GUM_x.ptb:9: found 'fun', expected a tr",
        ),
        (
            "constituents",
            "const/GUM_x.ptb",
            CONST.replace("(JJ fun)", "(JJ fun) (JJ)"),
            "GUM_x.ptb:9: found brackets without",
        ),
        (
            "coref",
            "ontogum/GUM_x.conll",
            COREF.replace("7\tfun\t(2)3)\n", ""),
            "GUM_x.conll: found 7 words, expected the 8 that",
        ),
        (
            "coref",
            "ontogum/GUM_x.conll",
            COREF.replace("(2)3)", "3)3)"),
            "GUM_x.conll:7: found a mention of chain 3 that is clo",
        ),
    ],
)
def test_what_is_wrong(corpus, task, path, text, message):
    (corpus / path).write_text(text)
    with pytest.raises(Located) as caught:
        read(corpus, task)
    assert message in str(caught.value)


def test_a_folder_without_lists(tmp_path):
    with pytest.raises(UserError, match="found no splits.md, train.txt, dev.txt or test.txt, expected GUM's folder"):
        gum.splits(tmp_path, "pos")
    with pytest.raises(UserError, match="found the task srl, expected one that GUM has"):
        gum.splits(tmp_path, "srl")


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("task", "train", "dev"),
    [
        ("pos", 177410, 28119),
        ("dep", 177410, 28119),
        ("constituents", 157159, 25340),
        ("entities", 49649, 7897),
        ("coref", 37346, 6899),
    ],
)
def test_the_counts_of_the_corpus(data_dir, task, train, dev):
    folder = data_dir / "probing" / "GUM"
    assert [len((folder / name).read_text().split()) for name in ("train.txt", "dev.txt")] == [177, 30]
    splits = gum.splits(folder, task)
    assert list(splits) == ["train", "dev"]
    found = {}
    for name, split in splits.items() if task in ("constituents", "coref") else [("dev", splits["dev"])]:
        lengths = [(len(record.words), len(record.targets)) for record in split.records]
        found[name] = len(lengths), *map(sum, zip(*lengths))
        assert not split.notes
    assert found["dev"] == (1575, 28119, dev)
    assert found.get("train") in (None, (10224, 177410, train))


def test_every_mention_of_the_corpus_is_an_entity(data_dir):
    folder = data_dir / "probing" / "GUM"
    labels = {
        label
        for record in gum.splits(folder, "entities")["dev"].records
        for target in record.targets
        for label in target.labels
    }
    assert labels == set("person place organization object event time substance animal plant abstract".split())
    labels = {
        label
        for record in gum.splits(folder, "constituents")["dev"].records
        for target in record.targets
        for label in target.labels
    }
    assert labels < set(TASKS["constituents"].labels) and "TOP" in labels


def test_a_word_that_upstream_lost(data_dir):
    """OntoGUM has an empty word where the text has a vertical bar: the words are those of dep/."""
    folder = data_dir / "probing" / "GUM"
    assert "\n379\t\t_\n" in (folder / "ontogum" / "GUM_news_iodine.conll").read_text(encoding="utf-8")
    splits = gum.splits(folder, "coref")
    name = next(name for name in splits if "GUM_news_iodine" in (folder / (name + ".txt")).read_text())
    found = [record for record in splits[name].records if record.info["sent_id"].startswith("GUM_news_iodine-")]
    assert [word for record in found for word in record.words][379] == "|"


def test_dev_documents_as_test(corpus):
    names = ["GUM_%d" % i for i in range(12)] + ["GUM_held"]
    for name in names:
        (corpus / "dep" / (name + ".conllu")).write_text(dep(DEP).replace("GUM_x", name))
    (corpus / "train.txt").write_text("\n".join(names[:12]) + "\n")
    with pytest.raises(UserError, match="found lists for train, expected train and dev alone for --dev_as_test"):
        gum.splits(corpus, "pos", dev_as_test=True)
    (corpus / "dev.txt").write_text("GUM_held\n")
    found = {name: list(split.records) for name, split in gum.splits(corpus, "pos", dev_as_test=True).items()}
    ids = {name: [record.info["sent_id"].partition("-")[0] for record in part][::2] for name, part in found.items()}
    assert ids == {"train": [name for name in names[:12] if name != "GUM_9"], "dev": ["GUM_9"], "test": ["GUM_held"]}


def test_a_real_document_in_the_order_of_older_releases(data_dir, tmp_path):
    path = data_dir / "probing" / "GUM" / "dep" / "GUM_news_iodine.conllu"
    (tmp_path / "dep").mkdir()
    (tmp_path / "dev.txt").write_text("GUM_news_iodine\n")
    found = []
    for text in (path.read_text(), older(path.read_text(), True).replace("GRP-etype", "entity-GRP")):
        (tmp_path / "dep" / path.name).write_text(text)
        records, notes = read(tmp_path, "entities")
        found.append(([record.targets for record in records], notes))
    assert found[0] == found[1]
    assert sum(map(len, found[0][0])) > 100
