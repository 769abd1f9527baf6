#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on all sources that a build folder knows, several at once: tidy.py BUILD-FOLDER. What was clean
is remembered in that folder by all that clang-tidy saw of it, and not looked at again."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-19"
CLANG = {".c": "clang-19", ".cpp": "clang++-19"}
# Of the compiler's options: what says where to write, and what only GCC knows.
WITHOUT_VALUE = {"-c", "-MD", "-Winvalid-pch"}
WITH_VALUE = {"-o", "-MT", "-MF"}


def options(command):
    words = iter(shlex.split(command))
    for word in words:
        if word in WITH_VALUE:
            next(words)
        elif word.startswith("-") and word not in WITHOUT_VALUE:
            yield word
            if word in ("-isystem", "-include", "-idirafter"):
                yield next(words)


def seen_by(source, command, setting):
    """A digest of the source with all headers, comments included, the options and the checks."""
    given = list(options(command))
    text = subprocess.run(
        [CLANG[source.suffix], *given, "-Wno-everything", "-E", "-P", "-C", str(source)],
        capture_output=True, check=True).stdout
    digest = hashlib.sha256(setting)
    for part in (str(source.relative_to(ROOT)).encode(), " ".join(given).replace(str(ROOT), "").encode(), text):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def look_at(entry, build, setting, clean):
    """None if it is clean, else what is wrong; and whether it was looked at."""
    source = pathlib.Path(entry["file"])
    try:
        stamp = clean / seen_by(source, entry["command"], setting)
    except subprocess.CalledProcessError as error:
        return error.stderr.decode(errors="replace"), True
    if stamp.exists():
        return None, False
    run = subprocess.run([TIDY, "-quiet", "-warnings-as-errors=*", "-p", str(build), str(source)],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return run.stdout + run.stderr, True
    stamp.touch()
    return None, True


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    setting = version + (ROOT / ".clang-tidy").read_bytes()
    clean = build / "clean"
    clean.mkdir(exist_ok=True)
    entries = [each for each in json.loads((build / "compile_commands.json").read_text())
               if pathlib.Path(each["file"]).is_relative_to(ROOT)
               and not pathlib.Path(each["file"]).is_relative_to(build)]
    # One source may be in several targets.
    entries = list({each["file"]: each for each in reversed(entries)}.values())
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(look_at, each, build, setting, clean): each["file"] for each in entries}
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            trouble, looked = job.result()
            name = pathlib.Path(jobs[job]).relative_to(ROOT)
            print(f"[{done}/{len(jobs)}] {name}: "
                  + ("NOT CLEAN" if trouble else "clean" if looked else "clean before"), flush=True)
            if trouble:
                bad += 1
                print(trouble, flush=True)
    print(f"{bad} of {len(jobs)} sources are not clean" if bad else f"all {len(jobs)} sources are clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
