"""Twelve wrong gradients: the picture that is said to show a mistake shows it.

What is drawn is read back from the page, in the units of its own axes.
"""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import reports

from softcheck.report import FORMATS, Style
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.verification import verify_case

STATES, ACTIONS, ALPHA = 24, 6, 0.3
NUMBER = r"-?[\d.]+(?:e-?\d+)?"


class Figure:
    """A picture as its reader sees it."""

    def __init__(self, page, title):
        figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
        (text,) = (each for each in figures if f"<h3>{title}</h3>" in each)
        self.svg = ElementTree.fromstring(text).find("svg")  # noqa: S314  our own page

    def paths(self, kind):
        return [path.get("d") for path in self.svg.iter("path") if path.get("class") == kind]

    def labels(self, anchor):
        """Return what stands along an axis: its coordinate and its number."""
        along = "x" if anchor == "middle" else "y"
        shift = 0.0 if anchor == "middle" else -4.0
        return np.array([
            (float(each.get(along)) + shift, float(each.text))
            for each in self.svg.iter("text")
            if each.get("text-anchor") == anchor and re.fullmatch(NUMBER, each.text)
        ])  # fmt: skip

    def dots(self):
        """Return the coordinates of all dots, shape (dots, 2)."""
        pairs = re.findall(rf"M({NUMBER}) ({NUMBER})h0", "".join(self.all_dots()))
        return np.array(pairs, float)

    def all_dots(self):
        return [*self.paths("right"), *self.paths("wrong")]

    def values(self):
        """Return found and expected of the dots, by the numbers on the axes, which are linear."""
        x, y = self.dots().T
        across, upward = (np.polyfit(*self.labels(anchor).T, 1) for anchor in ("middle", "end"))
        return np.polyval(upward, y), np.polyval(across, x)

    def cells(self):
        """Return the class of each cell of a grid by its state and action."""
        found = {}
        for path in self.svg.iter("path"):
            kind = int(path.get("class").removeprefix("cell-"))
            for action, state, length in re.findall(r"M(\d+) (\d+)h(\d+)", path.get("d")):
                for more in range(int(length)):
                    found[int(state), int(action) + more] = kind
        return found

    def wrong_cells(self):
        return {place for place, kind in self.cells().items() if kind >= 2}


class Pictures:
    """The pictures of a gradient on one table."""

    def __init__(self, wrong, **given):
        made = np.random.default_rng(7)
        self.q = made.normal(size=(STATES, ACTIONS))
        self.logits = 4.0 * made.normal(size=(STATES, ACTIONS))
        arrays = {"q": self.q, "logits": self.logits, "alpha": ALPHA, "grad": wrong(self)} | given
        case = verify_case(case_from_arrays(arrays), Settings(max_findings=9), pictures=True)
        assert case.status.value == "failed"
        page = FORMATS["html"].verification(reports.report(case), Style())
        self.scatter = Figure(page, "Found against expected")
        self.over_pi = Figure(page, "Error / π against π")
        self.grid = Figure(page, "Ratio over states and actions")

    @property
    def pi(self):
        return softmax(self.logits)

    @property
    def right(self):
        return gradient(self.q, self.logits, np.log(self.pi))


def softmax(logits, axis=-1):
    powers = np.exp(logits - logits.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def gradient(q, logits, log_pi, alpha=ALPHA):
    pi, g = softmax(logits), q - alpha * log_pi
    return -pi * (g - (pi * g).sum(-1, keepdims=True))


def slopes(figure):
    """Return the slopes of the dots that are well away from 0 in both directions."""
    found, expected = figure.values()
    seen = np.abs(expected) > 0.2 * np.abs(expected).max()
    return found[seen] / expected[seen]


EVERYWHERE = {(state, action) for state in range(STATES) for action in range(ACTIONS)}


@pytest.mark.parametrize("scale", [1.0 / STATES, 0.5, 2.0, -1.0])
def test_another_scale_is_another_slope_and_another_sign_one_that_falls(scale):
    seen = Pictures(lambda table: scale * table.right)
    # A tenth of a unit of the picture is as exact as it is drawn.
    np.testing.assert_allclose(slopes(seen.scatter), scale, atol=0.01 * max(1.0, abs(scale)))
    assert seen.grid.wrong_cells() == EVERYWHERE


def test_a_right_entry_lies_on_the_line_of_equality():
    def one_wrong(table):
        made = table.right
        made[3, 2] += 0.1
        return made

    seen = Pictures(one_wrong)
    found, expected = seen.scatter.values()
    off = np.abs(found - expected) > 0.01 * np.ptp(expected)
    assert off.sum() == 1
    assert seen.grid.wrong_cells() == {(3, 2)}
    ((circle,),) = ([each] for each in seen.grid.svg.iter("circle"))
    assert circle.find("title").text.startswith("[3, 2]: found ")


def test_dropped_states_lie_at_0_and_are_rows_of_the_grid():
    dropped = np.arange(STATES) % 3 == 0
    seen = Pictures(lambda table: np.where(dropped[:, None], 0.0, table.right))
    found, expected = seen.scatter.values()
    far = np.abs(expected) > 0.05 * np.abs(expected).max()
    at_zero = np.abs(found) < 0.01 * np.abs(expected).max()
    assert 5 < (far & at_zero).sum() < far.sum()
    np.testing.assert_allclose(found[far & ~at_zero], expected[far & ~at_zero], atol=0.02)
    assert {state for state, _ in seen.grid.wrong_cells()} == {*np.flatnonzero(dropped).tolist()}


def test_a_gradient_that_is_lost_lies_at_0():
    seen = Pictures(lambda table: 0.0 * table.right)
    found, expected = seen.scatter.values()
    assert np.abs(found).max() < 0.01 * np.ptp(expected)


def test_an_action_that_is_dropped_is_a_column_of_the_grid():
    seen = Pictures(lambda table: np.where(np.arange(ACTIONS) == 4, 0.0, table.right))
    assert {action for _, action in seen.grid.wrong_cells()} == {4}


@pytest.mark.parametrize(
    "altered",
    [lambda pi: np.log(pi + 1e-3), lambda pi: np.log(np.maximum(pi, 1e-3))],
    ids=["epsilon", "clamp"],
)
def test_an_epsilon_and_a_clamp_bend_away_where_pi_is_small(altered):
    seen = Pictures(lambda table: gradient(table.q, table.logits, altered(table.pi)))
    x, y = seen.over_pi.dots().T
    zero = float(re.search(r"M\S+ (\S+)H", seen.over_pi.paths("guide")[0])[1])
    decades = np.polyval(np.polyfit(*log_labels(seen.over_pi).T, 1), x)
    common, rare = np.abs(y - zero)[decades > -1.5], np.abs(y - zero)[decades < -4.0]
    assert min(common.size, rare.size) > 5
    # In units of the picture, which is 242 high.
    assert np.median(common) < 3.0
    assert rare.min() > 20.0
    order = np.argsort(decades[decades < -4.0])
    assert np.corrcoef(rare[order], np.arange(rare.size))[0, 1] < -0.9


def log_labels(figure):
    """Return coordinates and exponents along the axis of pi."""
    labels = figure.labels("middle")
    return np.column_stack([labels[:, 0], np.log10(labels[:, 1])])


def test_a_temperature_that_is_missing_is_a_slope_over_the_decades_of_pi():
    seen = Pictures(lambda table: gradient(table.q, table.logits, np.log(table.pi), alpha=1.0))
    x, y = seen.over_pi.dots().T
    assert np.corrcoef(x, y)[0, 1] < -0.9  # coordinates grow downwards: the error grows with log pi


def test_a_softmax_over_the_wrong_axis_is_no_line():
    def over_states(table):
        pi = softmax(table.logits, axis=0)
        g = table.q - ALPHA * np.log(pi)
        return -pi * (g - (pi * g).sum(0, keepdims=True))

    seen = Pictures(over_states)
    assert abs(np.corrcoef(*seen.scatter.values())[0, 1]) < 0.8
    assert seen.grid.wrong_cells() == EVERYWHERE


def test_shifted_actions_are_no_line():
    seen = Pictures(lambda table: np.roll(table.right, 1, axis=1))
    assert abs(np.corrcoef(*seen.scatter.values())[0, 1]) < 0.5


def test_a_gradient_at_a_masked_action_is_found_where_0_is_expected():
    mask = np.ones((STATES, ACTIONS), bool)
    mask[:, 5] = False

    def leaking(table):
        made = np.full((STATES, ACTIONS), 0.5)
        q, logits = table.q[:, :5], table.logits[:, :5]
        made[:, :5] = gradient(q, logits, np.log(softmax(logits)))
        return made

    seen = Pictures(leaking, mask=mask)
    found, expected = seen.scatter.values()
    off = np.abs(found - expected) > 0.05
    np.testing.assert_allclose(found[off], 0.5, atol=0.01)
    np.testing.assert_allclose(expected[off], 0.0, atol=0.01)
    assert seen.grid.wrong_cells() == {(state, 5) for state in range(STATES)}


def test_what_is_no_number_stands_at_the_edge_and_is_circled():
    def broken(table):
        made = table.right
        made[11, 0] = np.nan
        return made

    seen = Pictures(broken)
    (circle,) = seen.scatter.svg.iter("circle")
    assert "found nan" in circle.find("title").text
    assert seen.grid.cells()[11, 0] == 5
    top = min(seen.scatter.dots()[:, 1])
    assert float(circle.get("cy")) == top
