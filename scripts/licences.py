#!/usr/bin/env python3
"""Holds the dependencies against deny.toml.

    licences.py rust           every crate that is linked: its licence is allowed, no crate is there in two versions
    licences.py npm <folder>   every package in <folder>/package-lock.json that users get: its licence is allowed
    licences.py lock-files     no committed lock file or npm setting names the registry that it was made with

Prints what is wrong, one line each, and exits with 1 if anything is.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def allowed(expression, allow):
    """Whether an SPDX expression can be met with the licences in `allow` alone.

    `A/B` is what crates wrote for `A OR B` before SPDX; `X+` is met by X.
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        if not tokens:
            raise ValueError(f"not an SPDX expression: {expression!r}")
        token = tokens.pop(0)
        if token == "(":
            met = either()
            if not tokens or tokens.pop(0) != ")":
                raise ValueError(f"unbalanced parentheses: {expression!r}")
            return met
        if tokens and tokens[0] == "WITH":
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in allow or token.removesuffix("+") in allow

    met = either()
    if tokens:
        raise ValueError(f"not an SPDX expression: {expression!r}")
    return met


def licence_faults(packages, policy):
    """One line for each (name, version, licence) that the policy's [licenses] does not accept."""
    exceptions = {e["crate"]: e["allow"] for e in policy.get("exceptions", [])}
    clarified = {e["crate"]: e["expression"] for e in policy.get("clarify", [])}
    for name, version, licence in packages:
        licence = licence or clarified.get(name)
        if not licence:
            yield f"{name} {version}: names no licence"
        elif not allowed(licence, set(policy["allow"]) | set(exceptions.get(name, []))):
            yield f"{name} {version}: {licence} is not allowed by deny.toml"
    for name in (exceptions | clarified).keys() - {name for name, _, _ in packages}:
        yield f"deny.toml speaks of the licence of {name}, which is not used any more"


def duplicate_faults(packages, policy):
    """One line for each crate in several versions of which more than one is not in the policy's [bans] skip list."""
    skip = {e["crate"] for e in policy.get("skip", [])}
    present = {f"{name}@{version}" for name, version, _ in packages}
    versions = defaultdict(set)
    for name, version, _ in packages:
        if f"{name}@{version}" not in skip:
            versions[name].add(version)
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            yield f"{name} is there {len(found)} times: {', '.join(sorted(found))}"
    for entry in sorted(skip - present):
        yield f"deny.toml skips {entry}, which is not used any more"


def linked_crates(targets):
    """(name, version, licence) of every crate that a build for `targets` links, without our own."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    for target in targets:
        command += ["--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    used = {node["id"] for node in metadata["resolve"]["nodes"]} - set(metadata["workspace_members"])
    return [(p["name"], p["version"], p["license"]) for p in metadata["packages"] if p["id"] in used]


def npm_packages(folder):
    """(name, version, licence) of every package in the folder's lock file that is not for development only."""
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    return [
        (path.rpartition("node_modules/")[2], package.get("version"), package.get("license"))
        for path, package in packages.items()
        if path and not package.get("dev")
    ]


def registry_faults():
    """One line for each committed lock file or npm setting that names a host."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in names.splitlines():
        if not re.search(r"(package-lock\.json|\.npmrc|requirements\.txt)$", name):
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), start=1):
            if re.search(r'"resolved"|^\s*registry\s*=|--(extra-)?index-url', line):
                yield f"{name}:{number}: names a registry"


def main(arguments):
    policy = tomllib.loads((ROOT / "deny.toml").read_text())
    match arguments:
        case ["rust"]:
            crates = linked_crates(policy["graph"]["targets"])
            faults = [*licence_faults(crates, policy["licenses"]), *duplicate_faults(crates, policy["bans"])]
        case ["npm", folder]:
            faults = list(licence_faults(npm_packages(folder), {"allow": policy["licenses"]["allow"]}))
        case ["lock-files"]:
            faults = list(registry_faults())
        case _:
            sys.exit(__doc__)
    print("\n".join(faults) or "nothing to object to")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
