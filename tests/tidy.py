#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on all sources that a build folder knows, several at once: tidy.py BUILD-FOLDER. What was clean
is remembered in that folder by all that clang-tidy saw of it, and not looked at again.

Nearly all the time goes into the headers that sources include, so the sources of a folder are looked at as one text
first; only those that something seems to be wrong with are looked at alone."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-19"
CLANG = {".c": "clang-19", ".cpp": "clang++-19"}
# Of the compiler's options: what says where to write, and what only GCC knows.
WITHOUT_VALUE = {"-c", "-MD", "-Winvalid-pch"}
WITH_VALUE = {"-o", "-MT", "-MF"}
# So many sources make one text: eight fit into 3 GiB.
TOGETHER = 8


def options(command):
    words = iter(shlex.split(command))
    for word in words:
        if word in WITH_VALUE:
            next(words)
        elif word.startswith("-") and word not in WITHOUT_VALUE:
            yield word
            if word in ("-isystem", "-include", "-idirafter"):
                yield next(words)


def source_of(entry):
    return pathlib.Path(entry["file"])


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


def stamp_of(entry, setting, clean):
    """Where it is remembered that a source was clean, or the compiler's complaint."""
    try:
        return clean / seen_by(source_of(entry), entry["command"], setting), ""
    except subprocess.CalledProcessError as error:
        return None, error.stderr.decode(errors="replace")


def complaints(source, given):
    run = subprocess.run([TIDY, "-quiet", "-warnings-as-errors=*", str(source), "--", CLANG[source.suffix], *given],
                         capture_output=True, text=True, check=False)
    return run.stdout + run.stderr if run.returncode != 0 else ""


def clean_together(entries, build):
    """Which of these, which have the same options, are clean as parts of one text; maybe not all that are."""
    parts = [source_of(each).read_text() for each in entries]
    source = source_of(entries[0]).relative_to(ROOT)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        # The checks are those of the folder of the sources, and of the ones around it.
        for checks in (ROOT / each / ".clang-tidy" for each in source.parents):
            if checks.exists():
                copy = folder / checks.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(checks, copy)
        text = folder / source.with_name(f"together{source.suffix}")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(parts))
        found = complaints(text, options(entries[0]["command"]))
    places = re.findall(r"^(/[^:]+):(\d+):\d+: (?:warning|error): .*\[([^\]]+)\]$", found, re.MULTILINE)
    if found and (not places or any(file != str(text) or "clang-diagnostic" in check for file, _, check in places)):
        return []
    lines = [int(line) for _, line, _ in places]
    clean, first = [], 1
    for each, part in zip(entries, parts, strict=True):
        end = first + part.count("\n")
        if not any(first <= line < end for line in lines):
            clean.append(each)
        first = end
    return clean


def look_at(group, build, setting, clean):
    """For each source what is wrong with it, if anything, and whether it was looked at."""
    stamps = [(each, *stamp_of(each, setting, clean)) for each in group]
    found = [(each, trouble, True) for each, stamp, trouble in stamps if not stamp]
    found += [(each, "", False) for each, stamp, _ in stamps if stamp and stamp.exists()]
    unseen = [(each, stamp) for each, stamp, _ in stamps if stamp and not stamp.exists()]
    together = clean_together([each for each, _ in unseen], build) if len(unseen) > 1 else []
    for each, stamp in unseen:
        trouble = "" if each in together else complaints(source_of(each), options(each["command"]))
        if not trouble:
            stamp.touch()
        found.append((each, trouble, True))
    return found


def grouped(entries):
    """Those of one folder with the same options, some at a time; programs of one source each stay alone."""
    groups = {}
    for each in entries:
        source = source_of(each)
        alone = str(source) if re.search(r"\bmain\(|LLVMFuzzerTestOneInput", source.read_text()) else ""
        groups.setdefault((str(source.parent), source.suffix, tuple(options(each["command"])), alone), []).append(each)
    return [group[first:first + TOGETHER] for group in groups.values() for first in range(0, len(group), TOGETHER)]


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
    bad = done = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(look_at, group, build, setting, clean) for group in grouped(entries)]
        for job in concurrent.futures.as_completed(jobs):
            for entry, trouble, looked in job.result():
                done += 1
                print(f"[{done}/{len(entries)}] {source_of(entry).relative_to(ROOT)}: "
                      + ("NOT CLEAN" if trouble else "clean" if looked else "clean before"), flush=True)
                if trouble:
                    bad += 1
                    print(trouble, flush=True)
    print(f"{bad} of {len(entries)} sources are not clean" if bad else f"all {len(entries)} sources are clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
