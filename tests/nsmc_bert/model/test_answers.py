"""nsmc_bert.model.answers: columns for every kind of classes, and a frame with them."""

import numpy as np
import pandas as pd
import pytest

from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import answers


def test_columns_and_values():
    assert answers.columns(SENTIMENT) == ["label", "negative", "positive"]
    assert answers.values(SENTIMENT, [0.25, 0.75]) == [0.25, 0.75]
    assert answers.label(SENTIMENT, [0.5, 0.5]) == "negative"
    stars = ratings([1, 2, 3])
    assert answers.columns(stars) == ["label", "1", "2", "3", "expected_rating"]
    assert answers.values(stars, [0.25, 0.25, 0.5]) == [0.25, 0.25, 0.5, 2.25]
    assert answers.columns(Classes(("label", "text", "x"))) == ["label", "probability_label", "probability_text", "x"]


def test_columns_that_are_there_already():
    names = ["label", "negative", "positive"]
    assert answers.beside(names, ["id", "text"]) == names
    with pytest.raises(UserError, match="found the columns negative and predicted_label, expected one of them at most"):
        answers.beside(names, ["negative", "predicted_label"])
    assert answers.beside(names, ["Label"]) == names
    assert answers.beside(names, ["Label"], str.lower)[0] == "predicted_label"


def test_a_frame_keeps_what_it_has(make_model):
    model = make_model()
    frame = pd.DataFrame({"id": ["007", "8", "9"], "리뷰": ["꿀잼", "노잼", ""]}, index=[3, 1, 1])
    out = answers.label_frame(frame, "리뷰", model)
    pd.testing.assert_frame_equal(out[["id", "리뷰"]], frame)
    assert list(out) == ["id", "리뷰", "label", "negative", "positive"] and list(frame) == ["id", "리뷰"]
    probabilities = model.predict(frame["리뷰"])
    np.testing.assert_array_equal(out[["negative", "positive"]].to_numpy(), probabilities)
    assert out["label"].tolist() == [("negative", "positive")[row] for row in probabilities.argmax(1)]
    again = answers.label_frame(out[["리뷰", "label"]], "리뷰", model)
    assert list(again) == ["리뷰", "label", "predicted_label", "predicted_negative", "predicted_positive"]
    assert list(answers.label_frame(frame[:0], "리뷰", model)) == list(out)


def test_a_frame_by_a_folder(make_model, tmp_path):
    model, frame = make_model(), pd.DataFrame({"text": ["꿀잼", "노잼"]})
    model.save(tmp_path / "model")
    expected = answers.label_frame(frame, "text", model)
    for folder in (tmp_path / "model", str(tmp_path / "model")):
        pd.testing.assert_frame_equal(answers.label_frame(frame, "text", folder), expected)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_rows_without_text_get_nothing(make_model, missing):
    model = make_model()
    frame = pd.DataFrame({"리뷰": ["꿀잼", missing, "노잼"]})
    out = answers.label_frame(frame, "리뷰", model)
    added = ["label", "negative", "positive"]
    assert out.iloc[1][added].isna().all() and out["positive"].dtype == np.float32
    pd.testing.assert_frame_equal(out[["리뷰"]], frame)
    whole = answers.label_frame(frame.dropna(), "리뷰", model)
    pd.testing.assert_frame_equal(out.dropna()[added], whole[added], check_dtype=False)
    assert answers.label_frame(frame[1:2], "리뷰", model)[added].isna().all().all()


def test_a_frame_of_ratings(make_bert, tiny_tokenizer):
    from nsmc_bert import SentimentClassifier

    model = SentimentClassifier(make_bert(), tiny_tokenizer, labels=ratings([1, 2, 3]), max_length=16)
    out = answers.label_frame(pd.DataFrame({"text": ["꿀잼", "노잼"]}), "text", model)
    assert list(out) == ["text", "label", "1", "2", "3", "expected_rating"]
    np.testing.assert_allclose(out["expected_rating"], out[["1", "2", "3"]].to_numpy() @ [1, 2, 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"id": [1]}, "text_column: found no single column 리뷰 among id, expected"),
        ({"리뷰": [None, 1.5]}, r"row 1 of 리뷰: found 1.5, expected a string; frame\['리뷰'\].astype\(str\) makes it"),
        ({"리뷰": ["꿀잼"], "label": [1], "predicted_label": [1]}, "found the columns label and predicted_label"),
    ],
)
def test_frames_that_cannot_be_labelled(make_model, frame, message):
    with pytest.raises(UserError, match=message):
        answers.label_frame(pd.DataFrame(frame), "리뷰", make_model())
