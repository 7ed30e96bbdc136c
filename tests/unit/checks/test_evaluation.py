"""What a comparison with Eq. (6) sees, and where rounding hides it."""

import evaluations
import numpy as np
import pytest
from states import State

from softcheck.gradient.tolerance import Error, U

PAIR = State(np.array([1.0, -1.0]), np.zeros(2), 0.0)  # pi (D + sum pi D + alpha) = 1


@pytest.mark.parametrize("sure", [True, False])
@pytest.mark.parametrize(("part", "blind"), [(0.9, 0), (1.0, 2), (1.4, 2)])
def test_an_entry_is_blind_from_where_its_tolerance_is_its_scale(part, blind, sure):
    """Both sides may err, so that is where each errs by half of it."""
    e = evaluations.evaluation([PAIR])
    each = np.full((2, 1), part / 2.0 / U)
    # A bound for the whole state may be too wide to tell: then its entries are looked at.
    tally = e.compare_gradient(e.gradient, Error(each, each.max(axis=0) * (1.0 if sure else 9.0)))
    assert (tally.live, tally.blind) == (2, blind)
