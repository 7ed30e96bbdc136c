"""Which entries of a table a picture shows: a few of all, and the cells of a grid over it."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from softcheck.gradient.policy import Array, Entries, Indices

Cells: TypeAlias = Array  # (cells of actions, cells of states)

SAMPLE = 512
"""How many entries are drawn one by one."""

CELLS = 32
"""Into how many cells each side of a table is divided at most."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What of a table is shown, whatever its size.

    Attributes
    ----------
    states, actions : int
    sample : Indices
        The entries that are drawn one by one: numbers in the order of the table, ascending.
    """

    states: int
    actions: int
    sample: Indices

    @classmethod
    def of(cls, states: int, actions: int) -> "Frame":
        """Return what is shown of a table of that size: all of a small one, else by chance."""
        places = states * actions
        if places <= SAMPLE:
            return cls(states, actions, np.arange(places))
        drawn = np.random.default_rng(0).choice(places, SAMPLE, replace=False)
        return cls(states, actions, np.sort(drawn))

    @property
    def shape(self) -> tuple[int, int]:
        """The cells of the grid: of actions, of states."""
        return min(self.actions, CELLS), min(self.states, CELLS)

    def between(self, start: int, stop: int) -> tuple[Indices, Indices]:
        """Return actions and states of the sample's entries in some states."""
        first, last = np.searchsorted(self.sample, (start * self.actions, stop * self.actions))
        states, actions = np.divmod(self.sample[first:last], self.actions)
        return actions, states

    def cell(self, state: int, action: int) -> tuple[int, int]:
        """Return the cell of an entry: of its action, of its state."""
        across, along = self.shape
        return action * across // self.actions, state * along // self.states

    def first(self, action_cell: int, state_cell: int) -> tuple[int, int]:
        """Return the first action and the first state of a cell."""
        across, along = self.shape
        return -(-action_cell * self.actions // across), -(-state_cell * self.states // along)

    def largest(self, ratio: Entries, start: int) -> Cells:
        """Return the largest size in each cell, of states from `start` on; else 0."""
        across, along = self.shape
        actions = np.arange(self.actions) * across // self.actions
        states = np.arange(start, start + ratio.shape[1]) * along // self.states
        _, firsts = np.unique(actions, return_index=True)
        cells, begins = np.unique(states, return_index=True)
        grid = np.zeros(self.shape)
        for cell, begin, end in zip(cells, begins, [*begins[1:], states.size], strict=True):
            part = ratio[:, begin:end]
            grid[:, cell] = np.maximum.reduceat(
                np.maximum(part.max(axis=1), -part.min(axis=1)), firsts
            )
        return grid
