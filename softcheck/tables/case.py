"""Put the arrays of a case together: their roles, shapes and labels, and the blocks of them all."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any

import numpy as np

from softcheck.errors import InputError, NothingToCheckError, UsageError, did_you_mean
from softcheck.gradient.definition import Kind, Loss, Variant
from softcheck.result import Input, SourceLine
from softcheck.settings import Reduction, Settings
from softcheck.tables import origin
from softcheck.tables.arrays import as_numpy
from softcheck.tables.declared import Declared
from softcheck.tables.gather import Found, add, load_case, load_given
from softcheck.tables.labels import align
from softcheck.tables.refusals import listed
from softcheck.tables.roles import ROLES, WORDS, Role, Roles, is_critic, is_known
from softcheck.tables.sources import Exponential, Kept, Mask, Memory, Reshaped
from softcheck.tables.table import Reading, Rows, Table, check_type, location, states_of
from softcheck.tables.urls import shown


@dataclass(frozen=True)
class RawBlock:
    """A run of states.

    Parameters
    ----------
    start : int
        The first state, counted in C order.
    rows : int
        The number of states.
    arrays : mapping of str to ndarray
        By role: shape (rows, actions), or (rows,) for what is one number for each state; integers
        for numbers of actions, each of a legal one. What is one number for all states is in
        `Case.scalars` instead. Not to be written to.
    """

    start: int
    rows: int
    arrays: Mapping[str, Rows]


@dataclass(frozen=True, eq=False)
class Case:
    """The arrays that are verified together, all of one shape and in one order.

    Parameters
    ----------
    name : str
        The path as the user gave it, or another name for reports.
    shape : tuple of int
        The shape of the states; () for a single one.
    actions : int
        The number of actions, at least 1.
    action_axis : int
        The axis of the actions in the user's own arrays, not negative.
    state_labels, action_labels : tuple of str or None
        Labels in the order of the blocks, where a file has them.
    tables : mapping of str to Table
        By role. Several critics are ``q1``, ``q2`` and so on; a single one is ``q``.
    scalars : mapping of str to float
        Those of the roles that are one number for all states; also what the loss has in place of an
        optional array that the case has not.
    notes : tuple of str
        What the report should say about how the input was understood.
    given : mapping of str to Table
        The tables as they came, before masks, logarithms and labels were resolved.
    loss : Loss
        What its gradient is that of.
    roles : Roles
        Those of the variant of the loss that the case has the arrays of.
    reduction : Reduction or None
        How the loss was reduced, if the case says it.
    dumped_by : SourceLine or None
        The line of code that dumped it, if the case says it.
    """

    name: str
    shape: tuple[int, ...]
    actions: int
    action_axis: int
    state_labels: tuple[str, ...] | None
    action_labels: tuple[str, ...] | None
    tables: Mapping[str, Table]
    scalars: Mapping[str, np.generic]
    notes: tuple[str, ...]
    given: Mapping[str, Table]
    loss: Loss
    roles: Roles
    reduction: Reduction | None = None
    dumped_by: SourceLine | None = None

    @property
    def variant(self) -> Variant:
        """The variant of the loss that the case has the arrays of."""
        return self.roles.loss.variants[0]

    def settings(self, chosen: Settings) -> Settings:
        """Return what was chosen, with what the case says itself, which nobody contradicted."""
        return replace(chosen, reduction=self.reduction or chosen.reduction)

    def require_soft(self, why: str) -> None:
        """Raise InputError unless the loss is that of Eq. (6), whatever its name; say why."""
        if not self.roles.is_soft:
            raise InputError(
                self.name,
                f"a case of {self.roles.called}",
                f"one of Eq. (6): {why}",
                "Give another case.",
            )

    @property
    def states(self) -> int:
        """The number of states."""
        return math.prod(self.shape)

    def hash_files(self) -> None:
        """Have the digests of its files known, of the bytes that are read from here on."""
        for table in self.given.values():
            if table.file is not None:
                table.file.is_hashed = True

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The arrays as they came, each with the SHA-256 of its file after `hash_files`.

        An array of several files has that of what ``sha256sum`` prints for them. A file that was
        read in order while the case was is not read again.
        """
        return tuple(
            Input(
                role=role,
                path=table.path,
                key=None if table.path is None else table.key,
                dtype=table.dtype.name,
                shape=table.shape,
                sha256=None if table.file is None else table.file.sha256(),
            )
            for role, table in self.given.items()
        )

    def blocks(self, rows: int, start: int = 0, stop: int | None = None) -> Iterator[RawBlock]:
        """Yield the case `rows` states at a time, in C order over `shape`.

        Parameters
        ----------
        rows : int
            States in a block, at least 1; the last block has what is left.
        start, stop : int
            The first state, and the one after the last, which is that of the case by default.
            What cannot be entered in the middle, as a compressed member, is decoded up to there.

        Raises
        ------
        InputError
            If a file turns out to be damaged, or an entry has no legal value of its type.
        """
        with ExitStack() as stack:
            runs = {
                role: stack.enter_context(
                    closing(table.blocks(rows, self._axis(role), start, stop))
                )
                for role, table in self.tables.items()
                if role not in self.scalars
            }
            for parts in zip(*runs.values(), strict=True):
                arrays = dict(zip(runs, parts, strict=True))
                arrays |= {role: self._actions(role, arrays, start) for role in self._indices}
                count = len(parts[0])
                yield RawBlock(start, count, arrays)
                start += count

    def location(self, state: int, action: int | None = None) -> tuple[int, ...]:
        """Return the index of an entry, or without `action` of a state, in the user's own array."""
        full = (*self.shape[: self.action_axis], self.actions, *self.shape[self.action_axis :])
        return location(full, self.action_axis, state, action)

    def place(self, role: str, state: int, action: int | None = None) -> str:
        """Return the place of an entry for messages: the file, the key, and labels or indices."""
        table = self.tables[role]
        if table.states is None and table.actions is None:
            return table.place(self.location(state, action))
        index = [str(state) if table.states is None else table.states[state]] if self.shape else []
        if action is not None:
            label = str(action) if table.actions is None else table.actions[action]
            index.insert(self.action_axis, label)
        return table.place(tuple(index))

    def _axis(self, role: str) -> int | None:
        return self.action_axis if self.roles[role].kind is Kind.TABLE else None

    @cached_property
    def _indices(self) -> tuple[str, ...]:
        """The tables that hold numbers of actions."""
        return tuple(role for role in self.tables if self.roles[role].kind is Kind.INDEX)

    def _actions(self, role: str, arrays: Mapping[str, Rows], start: int) -> Rows:
        """Return the numbers of legal actions; for what is none, where a weight is 0, any one."""
        given = arrays[role]
        numbers = given.astype(np.float64)
        with np.errstate(invalid="ignore"):
            right = self.roles[role].domain.includes(numbers) & (numbers < self.actions)
        kept = arrays["weights"] != 0 if "weights" in arrays else np.full(numbers.shape, True)
        self._refuse_action(role, start, given, kept & ~right)
        actions = np.where(right, numbers, 0).astype(np.intp)
        masked = ~_legal(arrays, (np.arange(len(actions)), actions))
        if (wrong := kept & masked).any():
            row = int(np.argmax(wrong))
            raise InputError(
                self.place(role, start + row),
                f"action {actions[row]}, which is masked there",
                "a legal action",
                "Correct it or the mask, or leave out such states (weights 0, or ignore_index).",
            )
        actions[masked] = _legal(arrays, masked).argmax(axis=1)
        return actions

    def _refuse_action(self, role: str, start: int, given: Rows, wrong: Rows) -> None:
        """Raise InputError at the first number that is wrong."""
        if not wrong.any():
            return
        row = int(np.argmax(wrong))
        number = given[row].item()
        hint = f"Check how {role} were dumped; actions are counted from 0."
        if number < 0 and number % 1 == 0:
            hint = (
                f"If such states are to be left out, say so: ignore_index = {number:g}, an array "
                f"of the case or --array ignore_index={number:g}."
            )
        raise InputError(
            self.place(role, start + row),
            "NaN" if number != number else f"{number}",
            f"the number of an action, from 0 to {self.actions - 1}",
            hint,
        )


def _legal(arrays: Mapping[str, Rows], entries: Any) -> Rows:
    """Return which of some entries of a block are legal actions."""
    legal: Rows = arrays["logits"][entries] != -np.inf
    return legal & arrays["mask"][entries] if "mask" in arrays else legal


def open_case(
    path: str | None,
    given: Mapping[str, Sequence[str]],
    *,
    origins: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    action_axis: int = -1,
    allow_pickle: bool = False,
    declared: Declared | None = None,
) -> Case:
    """Return the case in a file or folder, together with arrays given one by one.

    Parameters
    ----------
    path : str or None
        A file of several named arrays, or a folder with one file a name.
    given : mapping of str to sequence of str
        For each role, or another name of it, the ``PATH`` or ``PATH::KEY`` of its array; ``q`` may
        have several. What is one number may also be written out.
    origins : mapping of str to str, optional
        Where each role of `given` was given, for messages; by default the option of its name.
    names : mapping of str to str, optional
        What the file or folder calls its arrays, by role; a role of `given` needs no name.
    action_axis : int
        The axis of the actions in every table.
    allow_pickle : bool
        Whether pickled files may be read, by a reader that runs nothing in them.
    declared : Declared, optional
        The loss and the reduction, where the user says what they are.

    Raises
    ------
    InputError
        If a file cannot be read exactly as it was meant, or arrays do not fit together; or if it
        says that it is of another loss or reduction than was declared.
    UsageError
        If a role is given both ways, or the axis does not exist.
    """
    where = {role: f"--{role.replace('_', '-')}" for role in given} | dict(origins or {})
    own = dict(names or {})
    said = declared or Declared()
    how = Reading(said.roles, action_axis, allow_pickle)
    found = Found(how, {}, {}, {}, "")
    if path is not None:
        found = load_case(path, own, given.keys(), how, said)
    roles = found.how.roles
    _require_roles(path, own, roles)
    by_option = load_given(given, where, found.how)
    taken = {roles.family(role): table for role, table in found.tables.items()}
    for name in given:
        if (role := roles.family(name)) in taken:
            raise UsageError(
                where[name],
                f"a second array for {role}, beside {taken[role].where}",
                "one array for each role",
                "Leave out one of the two.",
            )
    tables = found.tables | by_option
    called = (path and shown(path)) or next(
        (table.path for table in tables.values() if table.path), "case"
    )
    reduction = said.reduction_of(found.where, found.texts)
    case = _assemble(called, tables, found.unknown, found.how, own, reduction)
    return _with_origin(case, found.texts.get(origin.KEY))


def case_from_arrays(
    arrays: Mapping[str, object],
    *,
    action_axis: int = -1,
    name: str = "arrays",
    declared: Declared | None = None,
    dumped_by: str | None = None,
) -> Case:
    """Return a case of arrays in memory.

    Parameters
    ----------
    arrays : mapping of str to array_like
        By role or one of its aliases: arrays of NumPy, PyTorch or JAX, anything with
        ``__array__`` or DLPack, or numbers.
    action_axis : int
        The axis of the actions in every table.
    name : str
        The name of the case in reports.
    declared : Declared, optional
        The loss and the reduction.
    dumped_by : str, optional
        See `tables.origin`.

    Raises
    ------
    InputError
        If a name has no role, or arrays do not fit together.
    UsageError
        If the axis does not exist.
    """
    said = declared or Declared()
    roles = said.roles
    tables: dict[str, Table] = {}
    for key, value in arrays.items():
        role = roles.of(key)
        if role is None:
            hint = _other_loss({key: key}, roles) or did_you_mean(
                key, roles, "Use the name of a role."
            )
            raise InputError(key, "a name without a role", f"one of {', '.join(roles)}", hint)
        add(tables, role, Table(Memory(as_numpy(key, value)), None, key))
    case = _assemble(name, tables, {}, Reading(roles, action_axis), {}, said.reduction)
    return _with_origin(case, dumped_by)


def _with_origin(case: Case, dumped_by: str | None) -> Case:
    """Return a case with the line of code that dumped it, or with a note if it is none."""
    line, doubts = origin.read(dumped_by)
    return replace(case, dumped_by=line, notes=(*case.notes, *doubts))


def _require_roles(path: str | None, names: Mapping[str, str], roles: Roles) -> None:
    """Raise InputError where the user has a name for what the loss of the case has not."""
    for role, own in names.items():
        if roles.of(role) is None:
            raise InputError(
                "names" if path is None else shown(path),
                f"the array '{own}' named for {role}, which {roles.called} has not",
                f"one of {', '.join(roles)}",
                did_you_mean(role, roles, "Leave out that name."),
            )


def _assemble(
    name: str,
    given: Mapping[str, Table],
    unknown: Mapping[str, str],
    how: Reading,
    names: Mapping[str, str],
    reduction: Reduction | None,
) -> Case:
    """Check that the tables fit together, and bring them into one order.

    `unknown` are the names without a role: as they are shown, each with the name alone.
    """
    loss = how.roles.loss
    _require(name, given, unknown, how.roles)
    variant = _variant(name, given, unknown, how.roles)
    roles = how.roles
    if len(loss.variants) > 1:
        roles = Roles(replace(loss, variants=(variant,)))
        _require(name, given, unknown, roles)
    given = _in_order(given, roles)
    _refuse_slips(name, given, unknown, roles)
    _refuse_unused(name, unknown, roles)
    tables, notes = _understood(given, unknown, names, roles)
    first = next(iter(tables.values()))
    axis = _normalised(how.action_axis, first)
    if 0 in first.shape:
        raise NothingToCheckError(
            first.where,
            f"shape {first.shape}",
            "at least one state and one action",
            "Check what was dumped.",
        )
    aligned = align(tables, axis, roles)
    if aligned.unlabelled:
        notes.append(f"matched by position, for want of labels: {listed(aligned.unlabelled)}")
    shape = states_of(first.shape, axis)
    shaped, scalars = _shaped(aligned.tables, first, shape, roles)
    _leave_out(shaped, scalars, roles)
    for each in variant.givens:
        if each.default is not None and each.name not in shaped:
            scalars[each.name] = np.float64(each.default)
    return Case(
        name=name,
        shape=shape,
        actions=first.shape[axis],
        action_axis=axis,
        state_labels=aligned.states,
        action_labels=aligned.actions,
        tables=shaped,
        scalars=scalars,
        notes=tuple(notes),
        given=given,
        loss=loss,
        roles=roles,
        reduction=reduction,
    )


def _require(
    name: str, tables: Mapping[str, Table], unknown: Mapping[str, str], roles: Roles
) -> None:
    """Raise InputError unless all is there that every variant of the loss needs."""
    present = set(map(roles.family, tables))
    for role in roles.values():
        if role.required and role.name not in present:
            expected = " or ".join(role.names)
            raise InputError(
                name,
                f"no {role.name}" + _among(tables, unknown),
                expected if roles.has_critics else f"{expected}, for {roles.called} needs it",
                _way(unknown, [role.name], roles)
                or _other_loss(unknown, roles)
                or _cases_within(name, tables, unknown)
                or f"Add the array under one of these names, or give {role.flag()}.",
            )


def _among(tables: Mapping[str, Table], unknown: Mapping[str, str]) -> str:
    names = [*tables, *unknown]
    return f" among {listed(names)}" if names else ""


def _way(unknown: Mapping[str, str], meant: Sequence[str], roles: Roles) -> str | None:
    """Return what to do about a name that was probably meant for one of some roles."""
    for each, bare in unknown.items():
        if (role := roles.likely(bare, meant)) is not None:
            flag = roles[role].flag("PATH::KEY")
            return f"Is it '{each}'? Rename that array, or give {flag}."
    return None


def _other_loss(unknown: Mapping[str, str], roles: Roles) -> str | None:
    """Return what to do about the arrays of another loss, where nobody said which one it is."""
    others = [each for each, bare in unknown.items() if is_known(bare)]
    if roles is not ROLES or not others:
        return None
    return f"Is it of another loss, as '{others[0]}' looks? Say which: --loss."


def _cases_within(name: str, tables: Mapping[str, Table], unknown: Mapping[str, str]) -> str | None:
    """Return what to do about a folder in which no file is an array: they may be cases."""
    files = [each for each, bare in unknown.items() if each != bare]
    if tables or not files:
        return None
    pattern = f"{name}/*{PurePath(files[0]).suffix}"
    return f"If its files are cases, give {pattern}: a folder is one case, with a file a name."


def _variant(
    name: str, tables: Mapping[str, Table], unknown: Mapping[str, str], roles: Roles
) -> Variant:
    """Return the variant of the loss that the arrays are those of.

    Raises
    ------
    InputError
        If it is none, or any of several.
    """
    variants = roles.loss.variants
    if len(variants) == 1:
        return variants[0]
    every = [{given.name: given for given in each.givens} for each in variants]
    known = set[str]().union(*every)
    present = [role for role in map(roles.family, tables) if role in known]
    possible = [index for index, each in enumerate(every) if each.keys() >= {*present}]
    needed = [{role for role, given in each.items() if given.default is None} for each in every]
    fitting = [index for index in possible if needed[index] <= {*present}]
    if len(fitting) == 1:
        return variants[fitting[0]]
    if fitting:
        optional = set[str]().union(*(every[index] for index in fitting)) - {*present}
        raise InputError(
            name,
            f"the arrays of {len(fitting)} variants of {roles.called}",
            "those of one",
            f"Add what tells them apart: {' or '.join(sorted(optional))}.",
        )
    own = [each - set[str].intersection(*needed) for each in needed]
    least = [names for names in own if names and not any(set() < other < names for other in own)]
    alternatives = " or ".join(" with ".join(sorted(names)) for names in least)
    expected = f"{alternatives}, for {roles.called} needs one of them"
    if not possible:
        there = [role for role in present if any(role in names for names in own)]
        raise InputError(
            name,
            f"{' beside '.join(there or present)}",
            expected,
            "Leave out what is not meant.",
        )
    missing = sorted({role for names in least for role in names} - {*present})
    raise InputError(
        name,
        f"no {' and no '.join(missing)}" + _among(tables, unknown),
        expected,
        _way(unknown, missing, roles)
        or f"Add one, or give {' or '.join(roles[role].flag() for role in missing)}.",
    )


def _in_order(tables: Mapping[str, Table], roles: Roles) -> dict[str, Table]:
    """Return the tables in the order of roles, critics first; none is left out."""
    for role, table in tables.items():
        if roles.of(role) is None:
            raise InputError(
                table.where,
                f"it beside {listed([each for each in tables if each != role])}",
                f"one of {', '.join(roles)}: {roles.called} has no other array beside these",
                "Leave it out.",
            )
    critics = list(filter(is_critic, tables)) if roles.has_critics else []
    critics.sort(key=lambda role: int(role[1:]))
    if critics and "q" in tables:
        raise InputError(
            tables[critics[0]].where,
            f"{critics[0]} beside {tables['q'].beside(tables[critics[0]])}",
            "either q, or several critics q1, q2, ...",
            "Leave out q, which is computed from the critics, or the critics.",
        )
    ordered = {role: tables[role] for role in (*critics, *roles) if role in tables}
    if len(critics) == 1:
        ordered = {"q" if role in critics else role: table for role, table in ordered.items()}
    return ordered


def _leave_out(tables: dict[str, Table], scalars: dict[str, np.generic], roles: Roles) -> None:
    """Give the states whose label is to be ignored the weight 0."""
    table = tables.pop(_IGNORED, None)
    if table is None:
        return
    scalars.pop(_IGNORED, None)
    if math.prod(table.shape) != 1:
        raise InputError(
            table.where, f"shape {table.shape}", "one number", "Save the one label, such as -100."
        )
    ignored = float(table.whole().flat[0])
    domain = roles[_IGNORED].domain
    if not domain.includes(ignored):
        raise InputError(table.where, f"{ignored}", domain.words, domain.hint)
    labels = [table for role, table in tables.items() if roles[role].kind is Kind.INDEX]
    weights = tables.get("weights")
    source = Kept(tuple(labels), ignored, weights)
    tables["weights"] = replace(weights or labels[0], source=source)


_IGNORED = "ignore_index"


def _refuse_slips(
    name: str, given: Mapping[str, Table], unknown: Mapping[str, str], roles: Roles
) -> None:
    """Raise InputError where a role that is not there has all but its name: it would go unseen."""
    absent = _absent(given, roles)
    for each, bare in unknown.items():
        if bare in WORDS:
            raise InputError(
                name,
                f"'{each}', which is not one text",
                f"the {bare} as one text",
                f"Save it so, in a folder as {bare}.txt, or leave it out and give --{bare}.",
            )
        if (role := roles.slip_of(bare, absent)) is not None:
            flag = roles[role].flag("PATH::KEY")
            way = f", or give {flag}" if flag else ""
            raise InputError(
                name,
                f"'{each}', but no {role}",
                " or ".join(roles[role].names),
                f"Rename that array{way}; if it is something else, give it a name of its own.",
            )


def _refuse_unused(name: str, unknown: Mapping[str, str], roles: Roles) -> None:
    """Raise InputError where a loss that was said has no symbol for an array that others have.

    A case that says no loss may hold whatever a replay buffer has.
    """
    others = [each for each, bare in unknown.items() if is_known(bare)]
    if others and not roles.is_soft:
        raise InputError(
            name,
            f"'{others[0]}', which {roles.called} has no symbol for",
            f"of the arrays of losses only those of this one, among {', '.join(roles)}",
            "Leave it out, give it another name, or say the loss that has it.",
        )


def _absent(given: Mapping[str, Table], roles: Roles) -> list[str]:
    """Return the roles that a case has nothing for."""
    present = set(map(roles.family, given))
    return [role for role in roles if role not in present]


def _understood(
    given: Mapping[str, Table],
    unknown: Mapping[str, str],
    names: Mapping[str, str],
    roles: Roles,
) -> tuple[dict[str, Table], list[str]]:
    """Return the tables as numbers of their roles, and notes of what names were taken for."""
    notes = []
    if unknown:
        absent = _absent(given, roles)
        meant = ((each, roles.likely(bare, roles)) for each, bare in unknown.items())
        hints = "".join(
            f"; '{each}' may be meant for {role}" for each, role in meant if role in absent
        )
        notes.append(f"not loaded, because no role has this name: {listed(unknown)}{hints}")
    tables = {role: _checked(roles[role], table) for role, table in given.items()}
    for role, table in given.items():
        if roles.is_logarithm(_name(table), role, names):
            tables[role] = replace(table, source=Exponential(table))
            notes.append(f"{role} is the exponential of {table.where}")
    return tables, notes


def _name(table: Table) -> str | None:
    """Return the name that the user gave to an array: its key, or else its file's."""
    if table.key is None and table.file is not None:
        return table.file.stem
    return table.key


def _checked(role: Role, table: Table) -> Table:
    """Return the table if it has the type of its role; masks become boolean."""
    check_type(table.where, table.dtype)
    if table.dtype.kind == "b" and not role.domain.booleans:
        raise InputError(
            table.where,
            "booleans",
            f"numbers for {role.name}",
            "Only a mask or weights are boolean; check which array this is.",
        )
    return replace(table, source=Mask(table)) if role.name == "mask" else table


def _normalised(action_axis: int, first: Table) -> int:
    """Return the axis counted from the front."""
    dimensions = len(first.shape)
    if dimensions == 0:
        raise InputError(
            first.where,
            "a single number",
            "an array with an axis of actions",
            "Save one number for each action.",
        )
    if not (isinstance(action_axis, int) and -dimensions <= action_axis < dimensions):
        raise UsageError(
            "--action-axis",
            f"{action_axis}",
            f"an axis of {first.where}, whose shape is {first.shape}",
            f"Choose a number from {-dimensions} to {dimensions - 1}.",
        )
    return action_axis % dimensions


def _shaped(
    tables: Mapping[str, Table], first: Table, shape: tuple[int, ...], roles: Roles
) -> tuple[dict[str, Table], dict[str, np.generic]]:
    """Return the tables in the shape of their roles, and those of one number for all states.

    Nothing is broadcast: only axes of length 1 before and behind those of the states are no matter.
    """
    shaped, scalars = {}, {}
    for role, table in tables.items():
        kind = roles[role].kind
        shaped[role] = table
        if kind is Kind.TABLE or table.shape == shape:
            _require_shape(roles[role], table, first, first.shape if kind is Kind.TABLE else shape)
        elif kind is Kind.NUMBER and math.prod(table.shape) == 1:
            scalars[role] = table.whole().flat[0]
        elif _core(table.shape) == _core(shape):
            shaped[role] = replace(table, source=Reshaped(table, shape))
        else:
            _require_shape(roles[role], table, first, shape)
    return shaped, scalars


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of length 1 at either end."""
    long = [axis for axis, length in enumerate(shape) if length != 1]
    return shape[long[0] : long[-1] + 1] if long else ()


def _require_shape(role: Role, table: Table, first: Table, expected: tuple[int, ...]) -> None:
    """Raise InputError unless the table has exactly the shape of its role."""
    if table.shape == expected:
        return
    kind = role.kind
    hint = "Save it with this very shape; nothing is broadcast."
    if kind is Kind.INDEX and table.shape == first.shape:
        hint = "Save the number of the action, array.argmax(-1): one-hot tables are no labels."
    elif role.name == "logits" and len(table.shape) > 1 and first.shape[1:] == table.shape:
        hint = "Save critics that are stacked as separate arrays q1 and q2."
    elif _core(table.shape) == _core(expected):
        hint = f"Save it as array.reshape{expected}."
    elif kind is Kind.TABLE and first.shape[::-1] == table.shape:
        hint = "Transpose it: every table needs the actions on the same axis (--action-axis)."
    elif (repeated := _repeated(table.shape, expected)) is not None:
        hint = f"Nothing is broadcast. If it is meant for all alike, save {repeated}."
    raise InputError(
        table.where,
        f"shape {table.shape}",
        f"{expected} ({kind.value}), to fit {first.beside(table)} of shape {first.shape}",
        hint,
    )


def _repeated(shape: tuple[int, ...], expected: tuple[int, ...]) -> str | None:
    """Return how NumPy repeats an array to a shape, if there is one way alone."""
    missing = len(expected) - len(shape)
    ways = {(*(1,) * before, *shape, *(1,) * (missing - before)) for before in range(missing + 1)}
    fitting = [way for way in ways if all(a in (1, b) for a, b in zip(way, expected, strict=True))]
    if len(fitting) != 1:
        return None
    (way,) = fitting
    array = "array" if way == shape else f"array.reshape{way}"
    return f"numpy.broadcast_to({array}, {expected})"
