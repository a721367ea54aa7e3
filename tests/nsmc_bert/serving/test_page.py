"""The page, in a browser without a window: typing, explaining, perturbing, files, both languages, the keyboard."""

import csv
import io
import json
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER = next((found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")
HOSTILE = "<img src=x onerror=alert(1)> 노잼"


@pytest.fixture(scope="module")
def browser(served):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    found.get("http://%s:%d/" % served.address)
    yield found
    found.quit()


@pytest.fixture
def until(browser):
    """Waits until a function of the page is true; returns what it says."""
    return lambda condition: WebDriverWait(browser, 20).until(lambda _: condition())


def text(browser, name):
    return browser.find_element(By.ID, name).text


def write(browser, review):
    field = browser.find_element(By.ID, "review")
    field.clear()
    field.send_keys(review)


def test_a_review_is_judged_as_it_is_typed_and_explained(browser, served, until):
    if browser.execute_script("return document.documentElement.lang") == "en":
        browser.find_element(By.ID, "language").click()
    write(browser, "이 영화 엄청 재미있네요")
    words = until(lambda: browser.find_elements(By.CSS_SELECTOR, "#words li"))
    probabilities = served.model.predict("이 영화 엄청 재미있네요")[0]
    label = ("부정", "긍정")[probabilities.argmax()]
    assert text(browser, "verdict") == f"{label} · {100 * probabilities.max():.1f} % 확신"
    expected = served.model.explain("이 영화 엄청 재미있네요").words
    shown = [f"{word.text} {'−' if word.added < 0 else '+'}{abs(word.added):.2f}" for word in expected]
    assert [word.text for word in words] == shown
    browser.find_element(By.ID, "language").click()
    assert text(browser, "verdict").endswith("sure")
    assert browser.execute_script("return document.documentElement.lang") == "en"
    assert not browser.execute_script(
        "return [...document.querySelectorAll('[data-text]')].filter(e => !e.textContent)"
    )


def test_what_is_typed_stays_text(browser, until):
    write(browser, HOSTILE)
    until(lambda: "<img" in text(browser, "words"))
    browser.find_element(By.ID, "perturb").send_keys(Keys.ENTER)
    until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#changed li")) == 2)
    assert "onerror=alert(1)>노잼" in text(browser, "changed")
    assert not browser.find_elements(By.CSS_SELECTOR, "main img")
    write(browser, "가" * 501)
    until(lambda: "found a text of 501 characters" in text(browser, "problem"))


def test_a_file_is_labelled(browser, served, until, tmp_path):
    reviews = ["이 영화 엄청 재미있네요", '최악 "영화", 노잼', HOSTILE, "꿀잼\n꿀잼"] * 60
    rows = [["번호", "리뷰", "label"], *([str(i), review, "x"] for i, review in enumerate(reviews))]
    with open(tmp_path / "mine.csv", "w", newline="", encoding="cp949") as file:
        csv.writer(file).writerows(rows)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "mine.csv"))
    until(lambda: browser.find_element(By.ID, "column").is_displayed())
    assert browser.find_element(By.ID, "column").get_attribute("value") == "1"
    # what is downloaded, kept beside: the page's policy lets nobody fetch it
    browser.execute_script(
        "const make = URL.createObjectURL.bind(URL);"
        "URL.createObjectURL = blob => { blob.text().then(text => { window.downloaded = text; }); return make(blob); };"
    )
    browser.find_element(By.ID, "start").click()
    until(lambda: text(browser, "done"))
    assert "240" in text(browser, "done")
    link = browser.find_element(By.ID, "download")
    assert link.get_attribute("download") == "mine.labelled.csv" and link.get_attribute("href").startswith("blob:")
    content = until(lambda: browser.execute_script("return window.downloaded"))
    head, *found = csv.reader(io.StringIO(content))
    assert head == [*rows[0], "predicted_label", "predicted_negative", "predicted_positive"]
    assert [row[:3] for row in found] == rows[1:]
    expected = served.model.predict(reviews)
    assert all(abs(float(row[5]) - p) < 2e-6 for row, p in zip(found, expected[:, 1]))
    counts = [row.text.split()[1] for row in browser.find_elements(By.CSS_SELECTOR, "#labels tr")]
    assert counts == [str((expected.argmax(1) == label).sum()) for label in (0, 1)]


def test_lines_are_reviews_and_what_cannot_be_read_is_said(browser, until, tmp_path):
    (tmp_path / "lines.txt").write_text("꿀잼\n노잼\n", encoding="utf-8")
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "lines.txt"))
    until(lambda: text(browser, "done").startswith("2 "))
    wrong = (
        ("a.txt", b"\xff\xff", "neither"),
        ("b.csv", b'a\n"b', "do not match"),
        ("c.csv", b"a\n", "no review"),
        ("d.csv", b'a,b\n"b"c,1', "do not match"),
        ("e.csv", b"a,b\nb, c,1\n", "Row 2 has 3 columns, the first one 2"),
        ("f.jsonl", b'{"text": "a"}\n', "Only CSV, TSV and text"),
    )
    for name, content, problem in wrong:
        (tmp_path / name).write_bytes(content)
        browser.find_element(By.ID, "file").send_keys(str(tmp_path / name))
        until(lambda problem=problem: problem in text(browser, "file-problem"))


def test_the_keyboard_reaches_everything_in_order(browser):
    browser.execute_script("document.getElementById('language').focus()")
    reached = []
    for _ in range(3):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element.get_attribute("id"))
    assert reached == ["review", "perturb", "file"]
    for field in browser.find_elements(By.CSS_SELECTOR, "textarea, input, select"):
        assert field.accessible_name if field.is_displayed() else field.get_attribute("id") == "column"


@pytest.mark.parametrize("width", [390, 1280])
def test_no_screen_is_too_narrow(browser, width):
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        background = browser.execute_script("return getComputedStyle(document.documentElement).colorScheme")
        assert background == "light dark"


def test_nobody_else_was_asked(browser, served):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    here = "http://%s:%d/" % served.address
    assert asked and all(url.startswith((here, "data:", "blob:" + here)) for url in asked)
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert all("413" in message or "blob:" in message for message in refused), refused
