"""What is at a path or URL: a file, a folder and what is in it, or nothing."""

from pathlib import Path

from softcheck.tables.files import File
from softcheck.tables.refusals import reading
from softcheck.tables.urls import is_url, local_path


def file_at(path: str) -> File:
    """Return the file at a path or URL."""
    if is_url(path):
        from softcheck.tables.remote import Remote

        return Remote(path)
    return File(local_path(path), path)


def is_folder(path: str) -> bool:
    """Return whether a path or URL is that of a folder."""
    if is_url(path):
        from softcheck.tables.remote import is_remote_folder

        return is_remote_folder(path)
    with reading(path):
        return Path(local_path(path)).is_dir()


def files_in(folder: str) -> list[str]:
    """Return the paths or URLs of the files in a folder, by name; hidden ones are left out."""
    if is_url(folder):
        from softcheck.tables.remote import remote_files_in

        return remote_files_in(folder)
    with reading(folder, "a readable folder", "Check its permissions."):
        every = sorted(Path(local_path(folder)).iterdir())
    return [str(entry) for entry in every if entry.name[0] != "." and not is_folder(str(entry))]


def files_below(folder: str) -> list[tuple[str, File]]:
    """Return every file in a folder and in those below it, by its path from there."""
    if is_url(folder):
        from softcheck.tables.remote import remote_files_below

        return remote_files_below(folder)
    root = Path(local_path(folder))
    with reading(folder, "a readable folder", "Check its permissions."):
        every = sorted(path for path in root.rglob("*") if not path.is_dir())
    return [(path.relative_to(root).as_posix(), File(str(path))) for path in every]


def exists(path: str) -> bool:
    """Return whether there is anything at a path or URL; HTTP is asked only when it is read."""
    if is_url(path):
        from softcheck.tables.remote import remote_exists

        return remote_exists(path)
    with reading(path):
        return Path(local_path(path)).exists()
