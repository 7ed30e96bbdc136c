"""Every report of every fixture, and all that is said about codes, options and mistakes, as files.

python tests/snapshot.py FOLDER

Written before and after a change that should change none of it, two folders are the same:
`diff -r BEFORE AFTER`. Takes some minutes.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fixture_cases import FIXTURES, malformed, walk

FORMS = ("text", "concise", "junit", "github", "gitlab", "sarif", "markdown")
COMMANDS = ("verify", "derive", "explain", "schema", "selftest")
ENVIRONMENT = {"COLUMNS": "100", "NO_COLOR": "1"} | {
    name: value for name, value in os.environ.items() if not name.startswith("SOFTCHECK_")
}


def run(folder, *arguments):
    """Keep what a run prints, and its exit code."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "softcheck", *map(str, arguments)],
        cwd=FIXTURES,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    for name, content in (("out", done.stdout), ("err", done.stderr), ("code", done.returncode)):
        (folder / name).write_text(str(content), "utf-8")
    return done


def reports(folder, *arguments):
    """Keep the report of a run in every format."""
    files = [f"--report={form}:{folder / form}" for form in FORMS]
    run(folder, *arguments, "--output-format=json", *files)


def runs():
    """Yield a name, a function of its folder and more, and the arguments of every run."""
    for kind in ("positive", "negative"):
        for fixture in walk(kind):
            case = fixture.path.relative_to(FIXTURES)
            yield f"verify/{case}", reports, ("verify", case, *fixture.options)
            options = ("--verbose", "--output-format=text", *fixture.options)
            yield f"verbose/{case}", run, ("verify", case, *options)
    for path in malformed():
        case = path.relative_to(FIXTURES)
        yield f"verify/{case}", run, ("verify", case, "--alpha=0.3")
    documents = (FIXTURES / "derive").glob("*/*.*")
    for path in sorted(path for path in documents if path.suffix not in (".json", ".toml")):
        document = path.relative_to(FIXTURES)
        yield f"derive/{document}", reports, ("derive", document)
        yield f"completed/{document}", run, ("derive", document, "--explain-gap")
    on = ("derive", "--on", "positive/cliffwalking.npz", "--samples=100")
    yield "derive/on", reports, on
    for name in ("explain", "schema", "selftest"):
        yield f"said/{name}", run, (name,)
    for command in COMMANDS:
        yield f"help/{command}", run, (command, "--help")
    listing = subprocess.run(
        [sys.executable, "-m", "softcheck", "explain"], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        code = line.split()[0]
        yield f"explain/{code}", run, ("explain", code)


def main():
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = [pool.submit(how, folder / name, *arguments) for name, how, arguments in runs()]
    for each in made:
        each.result()
    print(f"{len(made)} runs")


if __name__ == "__main__":
    main()
