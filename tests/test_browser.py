"""Pages in a real browser, headless Chromium: legible, wide and narrow, light and dark.

They need Chromium and its driver, which `.ci/run` installs, and run with `pytest -m browser`.
"""

import json
import shutil
from functools import partial

import pytest
from fixture_cases import FIXTURES, walk
from run import softcheck
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.browser

CASE = FIXTURES / "positive" / "cliffwalking.npz"
WIDTHS = (400, 1600)
SCHEMES = ("light", "dark")

PATIENCE = 60.0
"""Seconds in which a width and a scheme arrive on any machine."""

ARRIVED = """
return [innerWidth, matchMedia(`(prefers-color-scheme: ${arguments[0]})`).matches];
"""

SEEN = r"""
const wide = document.documentElement;
const visible = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
const texts = [...document.body.querySelectorAll("*")].filter(
    e => own(e) && visible(e) && e.localName !== "title" && !e.closest(".formula, thead"));
const rgb = text => text.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = e => {
    for (; e; e = e.parentElement) {
        const color = rgb(getComputedStyle(e).backgroundColor);
        if (color.length === 3 || color[3] > 0) return color;
    }
};
const contrast = e => {
    const style = getComputedStyle(e);
    const ink = light(rgb(e.closest("svg") ? style.fill : style.color)), paper = light(behind(e));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
};
const size = e => {
    const svg = e.closest("svg");
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    return parseFloat(getComputedStyle(e).fontSize) * scale;
};
const name = e => `${e.localName} ${e.textContent.trim().slice(0, 40)}`;
return {
    over: wide.scrollWidth - innerWidth,
    outside: texts.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(name),
    small: texts.filter(e => size(e) < 10).map(name),
    faint: texts.filter(e => contrast(e) < 4.5).map(name),
    nameless: [...document.querySelectorAll("svg, [role=img]")].filter(
        e => e.getAttribute("role") !== "img" || !e.getAttribute("aria-label")).length,
    pictures: document.querySelectorAll("figure svg").length,
    paper: light(rgb(getComputedStyle(document.body).backgroundColor)),
};
"""
"""What of a page is not legible, by the contrast of WCAG 2 and the size of letters in pixels."""


class Browser:
    """A browser that counts what it is asked for and what it complains of."""

    def __init__(self):
        driver = shutil.which("chromedriver")
        assert driver, "these tests need Chromium: apt-get install chromium chromium-driver"
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for switch in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))

    def looks(self, path):
        """Yield what is seen of a page at each width and in each scheme."""
        command = self.driver.execute_cdp_cmd
        for width in WIDTHS:
            size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
            command("Emulation.setDeviceMetricsOverride", size)
            for scheme in SCHEMES:
                chosen = [{"name": "prefers-color-scheme", "value": scheme}]
                command("Emulation.setEmulatedMedia", {"features": chosen})
                if (width, scheme) == (WIDTHS[0], SCHEMES[0]):
                    self.driver.get(path.as_uri())
                arrived = partial(self._has_arrived, width, scheme)
                WebDriverWait(self.driver, PATIENCE).until(arrived)
                yield scheme, self.driver.execute_script(SEEN)

    @staticmethod
    def _has_arrived(width, scheme, driver):
        """Return whether the page knows of its width and scheme: a command ends before that."""
        return driver.execute_script(ARRIVED, scheme) == [width, True]

    def asked_for(self):
        """Return the addresses that were asked for since the last time."""
        messages = [json.loads(entry["message"])["message"] for entry in
                    self.driver.get_log("performance")]  # fmt: skip
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture
def browser():
    made = Browser()
    yield made
    made.driver.quit()


def assert_legible(browser, path, pictures=0):
    """Hold a page to what it promises."""
    for scheme, seen in browser.looks(path):
        assert seen["over"] <= 0
        assert seen["outside"] == []
        assert seen["small"] == []
        assert seen["faint"] == []
        assert seen["nameless"] == 0
        assert seen["pictures"] == pictures
        assert (seen["paper"] > 0.9) == (scheme == "light")
    assert browser.asked_for() == [path.as_uri()]
    assert browser.driver.get_log("browser") == []


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_the_page_of_every_case_is_legible_and_asks_for_nothing(browser, tmp_path, kind):
    page = tmp_path / "page.html"
    drawn = 0
    for fixture in walk(kind):
        softcheck("verify", fixture.path, *fixture.options, f"--report=html:{page}")
        pictures = page.read_text("utf-8").count("<figure>")
        drawn += pictures > 0
        assert_legible(browser, page, pictures)
    assert drawn > 40


def test_the_page_of_many_cases_is_legible_and_asks_for_nothing(browser, tmp_path):
    page = tmp_path / "page.html"
    cases = [fixture.path for kind in ("positive", "negative") for fixture in walk(kind)[::9]]
    softcheck("verify", *cases, FIXTURES / "malformed" / "empty.npz", f"--report=html:{page}")
    assert_legible(browser, page, page.read_text("utf-8").count("<figure>"))


def test_the_pages_of_derivations_are_legible_and_ask_for_nothing(browser, tmp_path):
    page = tmp_path / "page.html"
    every = sorted((FIXTURES / "derive" / "documents").glob("*.*"))
    documents = [path for path in every if path.suffix != ".toml"]
    softcheck("derive", *documents, f"--report=html:{page}")
    assert_legible(browser, page)
    refuted = tmp_path / "refuted.tex"
    refuted.write_text(r"$$\sum_a \pi(a)^2 = 1$$", "utf-8")
    for arguments in ([], ["--reading"], ["--on", CASE], ["--loss", "grpo"], [refuted]):
        softcheck("derive", *arguments, f"--report=html:{page}")
        assert_legible(browser, page)


def test_what_unfolds_is_legible_too(browser, tmp_path):
    page = tmp_path / "page.html"
    softcheck("verify", FIXTURES / "negative" / "missing-alpha.npz", f"--report=html:{page}")
    page.write_text(page.read_text("utf-8").replace("<details>", "<details open>"), "utf-8")
    assert_legible(browser, page, 3)


def test_a_screenshot_shows_the_colours_of_the_verdict(browser, tmp_path):
    """The pixels themselves: the page is painted, and otherwise in the dark."""
    page = tmp_path / "page.html"
    softcheck("verify", FIXTURES / "negative" / "missing-alpha.npz", f"--report=html:{page}")
    shots = {scheme: browser.driver.get_screenshot_as_png() for scheme, _ in browser.looks(page)}
    assert shots["light"] != shots["dark"]
