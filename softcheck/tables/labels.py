"""Bring tables whose states or actions have labels into one order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from softcheck.errors import InputError, UsageError
from softcheck.gradient.definition import Kind
from softcheck.tables.frames import ACTION, STATE
from softcheck.tables.refusals import listed
from softcheck.tables.roles import Roles
from softcheck.tables.sources import Memory
from softcheck.tables.table import Table

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Aligned:
    """Tables in one order.

    Parameters
    ----------
    tables : dict of str to Table
        By role, in the order of the labels.
    states, actions : tuple of str or None
        The labels, those of the first table that has any.
    unlabelled : tuple of str
        The roles whose tables lack labels that others have; their order is taken as it is.
    """

    tables: dict[str, Table]
    states: Labels | None
    actions: Labels | None
    unlabelled: tuple[str, ...]


def align(tables: Mapping[str, Table], axis: int, roles: Roles) -> Aligned:
    """Bring the tables into the order of the first labels; states and actions independently.

    Raises
    ------
    InputError
        If two tables have different labels.
    UsageError
        If the actions are on another axis than a file says, or than one of two.
    """
    turned = _turned(tables, axis, roles)
    if turned:
        tables = {
            role: replace(table, states=table.actions, actions=table.states)
            if roles[role].kind is Kind.TABLE
            else table
            for role, table in tables.items()
        }
    every = list(tables.values())
    by_state = next((table for table in every if table.states is not None), None)
    by_action = next((table for table in every if table.actions is not None), None)
    _require_count(tables, roles)
    aligned = {}
    unlabelled = []
    for role, table in tables.items():
        takes_actions = roles[role].kind is Kind.TABLE
        lacks_states = by_state is not None and table.states is None
        lacks_actions = by_action is not None and table.actions is None and takes_actions
        if (lacks_states or lacks_actions) and math.prod(table.shape) > 1:
            unlabelled.append(role)
        aligned[role] = _reordered(table, by_state, by_action, turned and takes_actions)
    return Aligned(
        aligned,
        by_state.states if by_state else None,
        by_action.actions if by_action else None,
        tuple(unlabelled),
    )


def _require_count(tables: Mapping[str, Table], roles: Roles) -> None:
    """Raise InputError for numbers of actions where the labels leave open which one is which."""
    index = next((table for role, table in tables.items() if roles[role].kind is Kind.INDEX), None)
    labelled = [table for table in tables.values() if table.actions]
    if index is None or not labelled:
        return
    for table in labelled:
        actions = table.actions or ()
        counted = tuple(map(str, range(len(actions))))
        is_number = all(label.removeprefix("-").isdigit() for label in actions)
        if actions != labelled[0].actions or (is_number and actions != counted):
            raise InputError(
                index.where,
                f"numbers of actions, and the actions {listed(actions)} in {table.beside(index)}",
                "the same actions in all tables, in the order in which they are counted from 0",
                "Save every table with its actions in that order.",
            )


def _turned(tables: Mapping[str, Table], axis: int, roles: Roles) -> bool:
    """Return whether the rows of labelled tables are actions, which no file may contradict."""
    axes = len(next(iter(tables.values())).shape)
    turned = axes == 2 and axis == 0
    for role, table in tables.items():
        if table.states is None and table.actions is None:
            continue
        says = table.rows if roles[role].kind is Kind.TABLE else None
        contradicts = says is not None and (says == ACTION) is not turned
        if contradicts or (axes != 2 and axis != axes - 1):
            raise UsageError(
                "--action-axis",
                f"axis {axis}",
                f"axis {int(says != ACTION)}, because {table.where} has a row for each "
                f"{says or STATE} by its label",
                "Say --action-axis 0." if says == ACTION else "Leave out --action-axis.",
            )
    return turned


def _reordered(
    table: Table, by_state: Table | None, by_action: Table | None, turned: bool
) -> Table:
    """Return the table in the order of the labels of two other tables."""
    states, actions = table.states, table.actions
    array = None
    if by_state and by_state.states and states and states != by_state.states:
        order = _order(table, "states", states, by_state, by_state.states)
        array = table.whole().take(order, axis=-1 if turned else 0)
        states = by_state.states
    if by_action and by_action.actions and actions and actions != by_action.actions:
        order = _order(table, "actions", actions, by_action, by_action.actions)
        array = (table.whole() if array is None else array).take(order, axis=0 if turned else -1)
        actions = by_action.actions
    if array is None:
        return table
    return replace(table, source=Memory(array), states=states, actions=actions)


def _order(table: Table, what: str, labels: Labels, reference: Table, wanted: Labels) -> list[int]:
    """Return the positions of the wanted labels, which must be the labels of the table."""
    position = {label: i for i, label in enumerate(labels)}
    missing = [label for label in wanted if label not in position]
    surplus = sorted(position.keys() - set(wanted))
    if missing or surplus:
        parts = [f"no {what} {listed(missing)}"] if missing else []
        parts += [f"the {what} {listed(surplus)}"] if surplus else []
        raise InputError(
            table.where,
            " but ".join(parts),
            f"the {what} of {reference.beside(table)}",
            "Give every table the same labels, in any order.",
        )
    return [position[label] for label in wanted]
