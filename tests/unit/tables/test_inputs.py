"""Options of roles: a flag and a key of a configuration file for each role that says so."""

import pytest

from softcheck.errors import UsageError
from softcheck.settings import settings_of
from softcheck.tables.inputs import Inputs
from softcheck.tables.roles import ROLES

OPTIONS = settings_of(Inputs)
OF_ROLES = [name for name, role in ROLES.items() if role.option]


def test_roles_come_first_and_in_their_order():
    assert list(OPTIONS) == [*OF_ROLES, "arrays", "loss", "names", "action_axis", "allow_pickle"]


@pytest.mark.parametrize("name", OF_ROLES)
def test_a_role_is_given_by_its_place(name):
    setting = OPTIONS[name]
    assert setting.read("run.npz::x", setting.flag, text=True) == "run.npz::x"
    assert setting.option.place
    assert setting.default is None


@pytest.mark.parametrize(
    ("value", "takers"), [(["a.npy", "b.npy"], {"q", "grad"}), (0.2, {"alpha"}), (True, set())]
)
@pytest.mark.parametrize("name", OF_ROLES)
def test_several_places_and_a_number_are_for_some(name, value, takers):
    if name in takers:
        assert OPTIONS[name].read(value, name) == value
    else:
        with pytest.raises(UsageError, match=f"^{name}: "):
            OPTIONS[name].read(value, name)
