"""nsmc_bert.learning.page: the classifier's page holds its figures, and published ones only beside NSMC's."""

import re

import numpy as np
import pytest

from nsmc_bert.base import html_pages
from nsmc_bert.base.classes import Classes, ratings
from nsmc_bert.learning import page
from nsmc_bert.model import metrics
from nsmc_bert.model.comparison import Comparison

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def figures():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    positive = np.clip(labels + random.normal(0, 0.4, 200), 0.01, 0.99)
    probabilities = np.stack([1 - positive, positive], 1)
    texts = ["글" * n for n in random.integers(1, 140, 200)]
    return {
        "test": metrics.report(probabilities, labels),
        "test_unseen": None,
        "reliability": metrics.reliability(probabilities, labels),
        "by_length": metrics.by_length(texts, probabilities, labels),
        "errors": [{"text": "<b>재미없다</b>", "label": "positive", "said": "negative", "confidence": 0.987}],
    }


def test_the_page_of_nsmc(figures, tmp_path):
    history = [{"epoch": i, "loss": 0.5 / i, "validation": {"log_loss": 0.4, "accuracy": 0.8}} for i in (1, 2)]
    record = {"best_epoch": 2, "history": history, "command": "python -m nsmc_bert.train --seeds=7"}
    paths = page.write(
        tmp_path, figures, record, 5_300_000, "NSMC", "mine/model", "python -m nsmc_bert.evaluate --page=x"
    )
    names = {path.name for path in paths}
    plots = ("beside_published_models", "calibration", "confusion", "accuracy_by_length", "training")
    assert names == {"classifier.html"} | {plot + ending for plot in plots for ending in (".svg", ".png")}
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert "How good is mine/model" in text
    assert "<td>%.2f</td>" % (100 * figures["test"]["accuracy"]) in text
    assert "&lt;b&gt;재미없다&lt;/b&gt;" in text and "<b>" not in text
    assert "Dialog-KoELECTRA-small" in text and page.CAVEAT.split("'")[0] in text
    assert "--seeds=7" in text and "--page=x" in text
    assert not re.search(r'(src|srcset|href)="(?!data:)', text)


def test_a_page_of_what_utf_8_cannot_say(figures, tmp_path):
    """A text of JSON lines with half of a surrogate pair, and a folder whose name is no UTF-8."""
    odd = {**figures, "errors": [{**figures["errors"][0], "text": "글\ud800"}]}
    page.write(tmp_path, odd, {}, 5, "a.jsonl", "caf\udce9", "")
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert all(part in text for part in ("caf\\udce9", "글\\ud800"))


def test_the_page_of_ratings(figures, tmp_path):
    random, classes = np.random.default_rng(1), ratings([1, 2, 3])
    probabilities, labels = random.dirichlet([1, 1, 1], 60), random.integers(0, 3, 60)
    report = metrics.report(probabilities, labels, classes=classes)
    rated = {**figures, "test": report, "reliability": metrics.reliability(probabilities, labels)}
    paths = page.write(tmp_path, rated, {}, 5, "stars.csv", "mine", "")
    assert "confusion.svg" in {path.name for path in paths}
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    for value in (100 * report["within_one"], 100 * report["recall"]["2"], 100 * report["precision"]["3"]):
        assert f"<td>{value:.2f}</td>" in text
    for name in ("kappa", "mae", "mae_median", "rmse_expected"):
        assert f"<td>{report[name]:.3f}</td>" in text
    confusion = (tmp_path / "confusion.svg").read_text()
    assert all(f">{count}<" in confusion for row in report["confusion"] for count in row)


def test_classes_that_no_font_spells_are_numbered(figures, tmp_path, recwarn, monkeypatch):
    monkeypatch.setattr(page, "FONTS", page.FONTS[:1])  # matplotlib's own, whatever else is installed
    classes = Classes(("불만", "문의", "칭찬"))
    report = metrics.report(np.eye(3), np.arange(3), classes=classes)
    page.write(tmp_path, {**figures, "test": report}, {}, 5, "mine.csv", "mine", "")
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert "Classes are numbered as in the table above." in text and '<td class="text">1 문의</td>' in text
    assert not [each for each in recwarn if "Glyph" in str(each.message)]


def test_classes_that_a_font_spells_are_called_by_their_names(figures, tmp_path, recwarn):
    """The letters of other fonts are asked for in the same way; of Hangul none is installed everywhere."""
    report = metrics.report(np.eye(3), np.arange(3), classes=Classes(("plainte", "éloge", "où")))
    page.write(tmp_path, {**figures, "test": report}, {}, 5, "mine.csv", "mine", "")
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert "Classes are numbered" not in text and '<td class="text">éloge</td>' in text
    assert ">éloge<" in (tmp_path / "confusion.svg").read_text(encoding="utf-8")
    assert not [each for each in recwarn if "Glyph" in str(each.message)]


@pytest.mark.parametrize("count", [1, 2, 19, 30])
def test_passes_stand_apart_below_their_plot(count):
    html_pages.check()
    import matplotlib.pyplot as plt

    validation = {"log_loss": 0.4, "accuracy": 0.8}
    figure = page._training(plt, [{"epoch": 1 + i, "loss": 1.0, "validation": validation} for i in range(count)])
    figure.canvas.draw()
    for axis in figure.axes:
        low, high = axis.get_xlim()
        ticks = [(tick, label) for tick, label in zip(axis.get_xticks(), axis.get_xticklabels()) if low <= tick <= high]
        assert ticks and all(tick == int(tick) and 0 <= tick <= count + 1 for tick, _ in ticks)
        boxes = [label.get_window_extent() for _, label in ticks]
        assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:]))
    plt.close(figure)


def test_models_that_it_is_compared_with(figures, tmp_path):
    comparison = Comparison(both=80, first=9, second=1, neither=10).figures
    other = {"model": "theirs", "supervision": [page.OFFICIAL, page.RATED], "accuracy": 0.81, **comparison}
    page.write(tmp_path, {**figures, "against": [other]}, {}, 5, "a.csv", "mine", "")
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    cells = re.search("theirs</td>(.*)</tr>", text)[1]
    shown = re.findall("<td[^>]*>([^<]*)", cells)
    assert shown == ["81.00", "+8.00", "+1.65 to +14.03", "9", "1", "0.0215", page.RATED]
    assert f"This one: {page.OFFICIAL}." in text
    # of 19 reviews that one alone gets right the other gets none: p is 2 / 2 ** 19
    comparison = Comparison(both=70, first=19, second=0, neither=11).figures
    page.write(tmp_path, {**figures, "against": [{**other, **comparison}]}, {}, 5, "a.csv", "mine", "")
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert '<td>0</td><td data-key="0.0001">&lt;0.0001</td><td class="text">' in text


def test_figures_of_unseen_reviews_stand_there_where_they_are_of_others(figures, tmp_path):
    texts = []
    for n in (200, 150):
        page.write(tmp_path, {**figures, "test_unseen": {**figures["test"], "n": n}}, {}, 5, "mine.csv", "", "")
        texts.append((tmp_path / "classifier.html").read_text(encoding="utf-8"))
    assert ["No text of the test is in training." in text for text in texts] == [True, False]
    assert ["test that is unseen" in text for text in texts] == [False, True]


def test_other_reviews_are_not_set_beside_published_figures(figures, tmp_path):
    paths = page.write(tmp_path, figures, {"history": "another tool's"}, 5, "mine.csv", "", "")
    assert not {"beside_published_models.svg", "training.svg"} & {path.name for path in paths}
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert "the classifier that ships" in text and "KoELECTRA" not in text


def test_a_review_that_begins_with_a_digit_is_no_figure(figures, tmp_path):
    errors = [dict(figures["errors"][0], text=text) for text in ("10점 만점", "1", "+5")]
    page.write(tmp_path, {**figures, "errors": errors}, {}, 5, "2021.csv", "", "")
    text = (tmp_path / "classifier.html").read_text(encoding="utf-8")
    assert '<td>0.987</td><td class="text">positive</td><td class="text">10점 만점</td>' in text
    assert '<td class="text">1</td>' in text and '<td class="text">+5</td>' in text


def test_a_cross_validated_models_page_has_its_losses_alone(figures, tmp_path):
    history = [{"epoch": number, "loss": 0.5 / number} for number in (1, 2)]
    record = {"cross_validation": figures["test"], "history": history}
    paths = page.write(tmp_path, figures, record, 5, "mine.csv", "mine", "")
    assert "training.svg" in {path.name for path in paths}
    assert "Loss in training after each pass." in (tmp_path / "classifier.html").read_text(encoding="utf-8")


def test_a_row_by_its_record(figures):
    """A student of teachers is hatched, whatever its own labels; a cross-validated model says how it was made."""
    record = {"pretraining": {"ratings": False}, "data": {"name": "NSMC", "teachers": 2}, "cross_validation": {}}
    mine = page._rows(figures, record, 5, "mine")[-1]
    assert (mine.model, mine.protocol) == ("This model", "nothing chosen, calibrated by cross-validation")
    alone = mine._replace(model="alone", supervision=page.OFFICIAL)
    html_pages.check()
    import matplotlib.pyplot as plt

    figure = page._beside(plt, [mine, alone])
    assert [bool(bar.get_hatch()) for bar in figure.axes[0].patches] == [True, False]
    plt.close(figure)
    assert page._protocol({"best_epoch": 1}) == "chosen on validation" and page._protocol({}) == "not recorded"


def test_published_figures():
    rows = {row.model: row for row in page.published()}
    assert len(rows) == 25
    assert rows["Dialog-KoELECTRA-small"][1:3] == (14, 90.01)
    assert rows["Multilingual BERT"][1:3] == (167, 87.08)
    assert rows["KcELECTRA-base-v2022"].protocol == "the highest of nine evaluations on test"
    ours = [row for row in rows.values() if row.model.startswith(page.OURS)]
    assert [(row.supervision, row.protocol) for row in ours] == [("official labels", "chosen on validation")] * 2
    assert page.shipped().supervision == "star ratings read"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"pretraining": {"ratings": True}, "data": {"name": "NSMC"}}, "star ratings read"),
        ({"pretraining": {"ratings": False}, "data": {"name": "NSMC"}}, "official labels"),
        (
            {"pretraining": None, "data": {"name": "NSMC"}},
            "not recorded",
        ),  # from an encoder of whose texts nothing is known
        (
            {"pretraining": {"ratings": False}, "data": {"name": "NSMC", "teachers": 2}},
            "official labels, and teachers, whose own is in their cards",
        ),
        ({"pretraining": {"ratings": False}, "data": {"name": "mine.csv"}}, "labels of mine.csv"),
        ({"pretraining": None, "data": {"name": "mine.csv"}}, "not recorded"),
        ({}, "not recorded"),
    ],
)
def test_supervision_is_never_mixed_up(record, expected):
    assert page.supervision(record) == expected
