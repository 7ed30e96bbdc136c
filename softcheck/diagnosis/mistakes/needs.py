"""What several mistakes need of the data that are to show them."""

from __future__ import annotations

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.record import Need

SEVERAL_STATES = Need("it needs several states", lambda view: view.shared.states > 1)
TWO_CRITICS = Need("it needs two critics", lambda view: len(view.critics) > 1)
WEIGHTS = Need("it needs weights", lambda view: "weights" in view.raw.arrays)
MASK = Need("it needs masked actions", lambda view: view.e.legal is not None)
NO_MASK = Need("it is tried without masked actions only", lambda view: view.e.legal is None)
OPEN_MASK = Need(
    "it needs masked actions with finite logits",
    lambda view: MASK.met(view) and bool(np.isfinite(view.raw.arrays["logits"]).all()),
)
UNDECLARED = Need("it is what is declared")
