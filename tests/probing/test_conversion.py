"""probing.conversion: what lies in a folder is of one conversion, or is refused."""

import lzma

import pytest

from nsmc_bert.base.errors import UserError
from probing import convert, corpora
from probing.tasks import SPLITS, TASKS
from tests.probing.sources.test_gum import corpus as gum_corpus  # noqa: F401  a fixture
from tests.probing.test_convert import splits_of


def test_a_folder_is_of_one_conversion(tmp_path):
    def make(made_with, **texts):
        convert.convert(splits_of(**texts), TASKS["pos"], tmp_path, made_with)

    def find():
        return corpora.find(TASKS["pos"], tmp_path, dict.fromkeys(SPLITS, ""))

    make({"source": "gum", "dev_as_test": True}, train="a", dev="b", test="c")
    assert sorted(find().paths) == ["dev", "test", "train"]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        UserError,
        match=r"pos.test.jsonl: found the records of another conversion, which has no place beside train, dev of",
    ):
        make({"source": "gum", "dev_as_test": False}, train="a", dev="c")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "pos.test.jsonl").unlink()
    (tmp_path / "pos.test.jsonl.xz").write_bytes(lzma.compress(before[tmp_path / "pos.test.jsonl"]))
    assert find().paths["test"].suffix == ".xz"  # compressed by hand it is the same
    with pytest.raises(UserError, match="pos.test.jsonl.xz: found the records of another conversion"):
        make({"source": "gum", "dev_as_test": False}, train="a", dev="c")
    make({"source": "gum", "dev_as_test": True}, train="d", dev="e", test="f")
    (tmp_path / "pos.test.jsonl").write_bytes(before[tmp_path / "pos.test.jsonl"])
    with pytest.raises(
        UserError, match="pos.test.jsonl: found other records than those of the conversion that pos.conversion.json"
    ):
        find()
    (tmp_path / "pos.conversion.json").write_text("[]")
    with pytest.raises(UserError, match=r"pos.conversion.json: found \[\], expected a JSON object"):
        find()
    (tmp_path / "pos.conversion.json").unlink()
    find()  # records that were made elsewhere
