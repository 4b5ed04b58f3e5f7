"""What can be wrong with a project's environments, before a cluster is asked. Starts helm to render, nothing else."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployer import chart as charts
from deployer import profile as profiles
from deployer.commands.helm import Helm
from deployer.errors import DeployError
from deployer.model import Image, Target, Values
from deployer.plan import canary, metrics, settings, values
from deployer.plan.settings import Finding, Severity
from deployer.process import ProgramFailed, Programs
from deployer.profile import Profile, Read
from deployer.profile.load import STAND_IN
from deployer.values import layers as stack
from deployer.values.assign import shown
from deployer.values.layers import Layer

IMAGE_TAG, IMAGE_DIGEST = "check", "sha256:" + "0" * 64
"""Of an image that nobody built, to render the chart with."""

_SCHEMA = re.compile(r"^\s*- at '(?P<at>[^']*)': (?P<what>.*)$")
_ADDITIONAL = re.compile(r"additional properties? (?P<names>'[^']+'(?:, '[^']+')*) not allowed")

Decrypt = Callable[[str, Profile], Sequence[Layer]]
"""The layers of an environment that have to be decrypted. Raises DeployError where that cannot be done."""


def audit(
    project: Path,
    names: Sequence[str],
    variables: Mapping[str, str],
    programs: Programs,
    *,
    decrypt: Decrypt,
    lack: Severity,
) -> tuple[Finding, ...]:
    """All findings about these environments; `lack` is how bad a variable is that is not set."""

    def look(name: str) -> list[Finding]:
        found = _environment(project, name, variables, programs, decrypt, lack)
        return [Finding(one.severity, one.place, one.message, (name,)) for one in found]

    with ThreadPoolExecutor(4) as pool:
        return settings.gathered(one for found in pool.map(look, names) for one in found)


def _environment(
    project: Path,
    name: str,
    variables: Mapping[str, str],
    programs: Programs,
    decrypt: Decrypt,
    lack: Severity,
) -> Iterator[Finding]:
    try:
        found = profiles.read(project, name, variables)
    except DeployError as error:
        yield from _told(error)
        return
    for missing in found.lacks:
        yield Finding(lack, "", f"{missing}, which is not set")
    for problem in (*found.problems, *found.refusals):
        yield Finding(Severity.PROBLEM, "", problem)
    if found.profile is None:
        return
    yield from _unwatched(found.profile)
    try:
        chart = charts.read(project, found.profile.release.chart)
    except DeployError as error:
        yield from _told(error)
        return
    decrypted: Sequence[Layer] = ()
    try:
        decrypted = decrypt(name, found.profile)
    except DeployError as error:
        yield Finding(Severity.NOTE, "", f"{error.message}: what it holds is not judged")
    secrets = {path: variables.get(variable) or STAND_IN for path, variable in found.profile.secrets.items()}
    for variable in sorted({one for one in found.profile.secrets.values() if not variables.get(one)}):
        yield Finding(Severity.NOTE, "", f"secrets: {variable} is not set: what it fills is not judged")
    yield from _judged(project, found, found.profile, chart, values.over(found.profile, secrets, decrypted), programs)


def _unwatched(profile: Profile) -> Iterator[Finding]:
    """A step of a canary may be short on purpose, and its first release is one without steps."""
    severity = Severity.NOTE if profile.strategy == "canary" else Severity.WARNING
    steps = canary.unwatched(profile) if profile.strategy == "canary" else ()
    for sentence in (*steps, *metrics.unwatched(profile)):
        yield Finding(severity, "", sentence)


def _judged(
    project: Path, found: Read, profile: Profile, chart: charts.Chart, over: tuple[Layer, ...], programs: Programs
) -> Iterator[Finding]:
    inner = chart.layers(stack.merged([stack.everywhere("", profile.values, ""), *over]))
    reads = chart.reads()
    unread = list(settings.unread(found.layers, over, reads))
    yield from unread
    yield from settings.redundant(profiles.defaults(), inner, found.layers)
    told = {one.message.partition(":")[0] for one in unread}
    layers = [*(one.section("values") for one in found.layers), *over]
    if not profile.targets:
        yield from _rendered(project, profile, over, layers, told, programs)
    judged: list[Values] = []
    for one in profile.targets:
        if one.values in judged:  # many targets have the same
            continue
        judged.append(one.values)
        own = stack.everywhere(stack.TARGET, one.values, f"target {one.name}")
        for finding in settings.unread((), (own,), reads):
            if (name := finding.message.partition(":")[0]) not in told:  # and many have the same key
                told.add(name)
                yield finding
        yield from _rendered(project, profile, (*over, own), [*layers, own], told, programs)


def _rendered(
    project: Path, profile: Profile, over: tuple[Layer, ...], layers: list[Layer], told: set[str], programs: Programs
) -> Iterator[Finding]:
    effective = values.laid(profile.values, over, ())
    image = Image(profile.registry.url, profile.image.repository, IMAGE_TAG, IMAGE_DIGEST)
    text = values.text(values.release(effective, image, profile.registry.pull_secret))
    where = Target(Path(), profile.target.context, profile.target.namespace)
    helm = Helm(profile.tools.helm, 4, where, profile.release.name)
    try:
        programs.read(helm.template(project / profile.release.chart, text))
    except ProgramFailed as error:
        yield from _unrendered(error, profile.release.chart, layers, told)
    except DeployError as error:
        yield from _told(error)


def _unrendered(error: ProgramFailed, chart: Path, layers: list[Layer], told: set[str]) -> Iterator[Finding]:
    """What helm says, with the places of the values that it names; not what was said of them already."""
    broken = [match for line in error.detail if (match := _SCHEMA.match(line))]
    for match in broken:
        path = tuple(key.replace("~1", "/").replace("~0", "~") for key in match["at"].split("/")[1:])
        extra = _ADDITIONAL.search(match["what"])
        for name in re.findall(r"'([^']+)'", extra["names"]) if extra else [None]:
            keys = path if name is None else (*path, name)
            key = f"values.{shown(keys)}" if keys else "values"
            if not (name and key in told):
                what = "the chart's schema does not know it" if name else match["what"]
                yield Finding(Severity.PROBLEM, stack.owner(layers, _typed(keys)).place(_typed(keys)), f"{key}: {what}")
    if not broken:
        said = [line for line in error.detail if line.strip()][-10:]
        cause = next((index for index, line in enumerate(said) if line.startswith("Error: ")), 0)
        yield Finding(
            Severity.PROBLEM, str(chart), f"does not render: {' '.join(said[cause:]).removeprefix('Error: ')}"
        )


def _typed(keys: tuple[str, ...]) -> tuple[str | int, ...]:
    """A JSON pointer does not tell an index from a key."""
    return tuple(int(key) if key.isdecimal() else key for key in keys)


def _told(error: DeployError) -> Iterator[Finding]:
    for line in (error.message, *error.detail):
        yield Finding(Severity.PROBLEM, "", line)
