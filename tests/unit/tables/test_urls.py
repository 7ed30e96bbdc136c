"""Paths and URLs as text."""

import pytest

from softcheck.tables.urls import is_url, joined, local_path, shown


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("https://host/q.npy", True),
        ("s3://bucket/q.npy", True),
        ("MEMORY://q.npy", True),
        ("git+ssh://host/q.npy", True),
        ("zip://q.npy::https://host/a.zip", True),
        ("simplecache::https://host/q.npy", True),
        ("file:///runs/q.npy", False),
        ("local://q.npy", False),
        ("q.npy", False),
        ("run.npz::q", False),
        ("C:/runs/q.npy", False),
        ("://q.npy", False),
        ("runs/https://q.npy", False),
        ("1a://q.npy", False),
        ("", False),
    ],
)
def test_what_is_a_url(path, expected):
    assert is_url(path) is expected
    assert expected or shown(path) == path, "what is no URL is shown as it is"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///runs/q.npy", "/runs/q.npy"),
        ("local://q.npy", "q.npy"),
        ("q.npy", "q.npy"),
        ("https://host/file://q.npy", "https://host/file://q.npy"),
    ],
)
def test_what_a_url_of_this_machine_means(url, path):
    assert local_path(url) == path


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://host/q.npy", "https://host/q.npy"),
        ("https://me:secret@host/q.npy", "https://host/q.npy"),
        ("https://me:s@cret@host/q.npy", "https://host/q.npy"),
        ("https://host/q.npy?token=secret&x=1", "https://host/q.npy?..."),
        ("https://host/q.npy#secret", "https://host/q.npy?..."),
        ("https://host/q.npy?secret\nsecret", "https://host/q.npy?..."),
        ("https://host/a@b.npy", "https://host/a@b.npy"),
        ("zip://q.npy::https://me:secret@host/a.zip?secret", "zip://q.npy::https://host/a.zip?..."),
        ("https://host/a.zip?secret::https://me:s@h/b?secret", "https://host/a.zip?...::https://h/b?..."),
    ],
)  # fmt: skip
def test_of_a_url_no_name_password_or_signature_is_shown(url, seen):
    assert shown(url) == seen
    assert "secret" not in shown(url)


@pytest.mark.parametrize("folder", ["runs", "runs/", "s3://bucket/runs", "s3://bucket/runs/"])
def test_what_is_in_a_folder_is_one_slash_below_it(folder):
    assert joined(folder, "q.npy") == f"{folder.rstrip('/')}/q.npy"
