"""What readers raise is told as one kind of error."""

import stat

import pytest

from softcheck.errors import InputError, UsageError
from softcheck.tables.limits import MAX_NAMED
from softcheck.tables.refusals import (
    decode,
    listed,
    load_extra,
    reading,
    refuse_special,
    too_large,
)


class StrangeError(Exception):
    """What some library may raise."""


@pytest.mark.parametrize(
    ("raised", "found", "expected"),
    [
        (StrangeError("odd"), "StrangeError: odd", "numbers"),
        (OSError(2, "No such file"), "No such file", "numbers"),
        (KeyError("q"), "KeyError: 'q'", "numbers"),
        (MemoryError(), "more data than fits in memory", "an array of ordinary size"),
        (RecursionError(), "values nested too deeply", "a table, with states outside and"),
    ],
)
def test_whatever_is_raised_is_an_error_of_the_input(raised, found, expected):
    with pytest.raises(InputError) as error, reading("q.npy", "numbers", "Write it again."):
        raise raised
    assert (error.value.where, error.value.found) == ("q.npy", found)
    assert error.value.expected.startswith(expected)
    assert error.value.hint.endswith(".")
    assert error.value.__cause__ is raised


def test_what_says_already_where_it_is_stays_as_it_is():
    told = UsageError("--q", "x", "y", "Do z.")
    with pytest.raises(UsageError) as error, reading("q.npy"):
        raise told
    assert error.value is told


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_is_no_error_of_a_file(end):
    with pytest.raises(end), reading("q.npy"):
        raise end


def test_text_is_utf_8_with_or_without_a_mark():
    assert decode("q.csv", b"\xef\xbb\xbfq\xc3\xa9") == decode("q.csv", b"q\xc3\xa9") == "qé"
    with pytest.raises(
        InputError, match=r"q\.csv: found the byte 0xe9 at 1, expected text in UTF-8"
    ):
        decode("q.csv", b"q\xe9")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (stat.S_IFDIR, "a folder"),
        (stat.S_IFIFO, "a FIFO"),
        (stat.S_IFSOCK, "a socket"),
        (stat.S_IFCHR, "a device"),
        (stat.S_IFBLK, "a device"),
        (0, "a special file"),
    ],
)
def test_what_could_block_or_talk_back_is_refused(mode, kind):
    refuse_special("q.npy", stat.S_IFREG | 0o644)
    with pytest.raises(InputError, match=f"q.npy: found {kind}, expected a regular file"):
        refuse_special("q.npy", mode | 0o644)


def test_a_missing_package_is_told_with_its_extra():
    assert load_extra("q.h5", "json.decoder", "hdf5").JSONDecoder
    with pytest.raises(
        InputError, match=r"q\.h5: found no package no_such_package, which"
    ) as error:
        load_extra("q.h5", "no_such_package.part", "hdf5")
    assert error.value.hint == "Run: pip install 'softcheck[hdf5]'."


def test_what_is_too_large_says_by_how_much():
    error = too_large("q.json", 101, 100)
    assert (error.found, error.expected) == ("101 bytes to hold in memory", "at most 100")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["a"], "'a'"),
        (range(MAX_NAMED), "'0', '1', '2', '3', '4'"),
        (range(MAX_NAMED + 2), "'0', '1', '2', '3', '4' and 2 more"),
    ],
)
def test_a_message_lists_the_first_few_names(names, said):
    assert listed(names) == said
