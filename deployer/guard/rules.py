"""One function a guard. Each is asked only where the profile sets it."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from deployer.guard.facts import Elsewhere, Facts, Refusal
from deployer.model import Record
from deployer.profile.schema import Guards

FREEZE_LINES = 10
"""Lines of a freeze file that are shown."""


def clean_tree(guards: Guards, facts: Facts) -> Refusal | None:
    """No file differs from HEAD. Outside of git there is no tree."""
    if not facts.dirty:
        return None
    many = "s" if len(facts.dirty) > 1 else ""
    return Refusal(
        "cleanTree",
        f"the git tree has {len(facts.dirty)} uncommitted change{many}, and this environment deploys commits only",
        "commit or stash them",
        facts.dirty[:10],
    )


def branch(guards: Guards, facts: Facts) -> Refusal | None:
    """HEAD is on a branch that one of the globs matches."""
    if matching(guards.branch, [facts.branch]):
        return None
    if not facts.sha:
        where = "this is no git repository with a commit"
    elif not facts.branch:
        where = "HEAD is on no branch"
    else:
        where = f"HEAD is on branch {facts.branch}"
    allowed = " or ".join(guards.branch)
    return Refusal("branch", f"{where}; this environment deploys from {allowed}", "merge the change, deploy from there")


def tag(guards: Guards, facts: Facts) -> Refusal | None:
    """HEAD has a tag that one of the globs matches."""
    if matching(guards.tag, facts.tags):
        return None
    has = f"the tag{'s' if len(facts.tags) > 1 else ''} {', '.join(facts.tags)}" if facts.tags else "no tag"
    where = f"HEAD ({facts.sha[:12]}) has {has}" if facts.sha else "this is no git repository with a commit"
    return Refusal(
        "tag",
        f"{where}; this environment deploys tags {' or '.join(guards.tag)}",
        "tag the commit; in CI, fetch the tags too (fetch-depth: 0, GIT_DEPTH: 0)",
    )


def signed(guards: Guards, facts: Facts) -> Refusal | None:
    """Git finds the signature of HEAD's commit, or of its tag, good."""
    if facts.unsigned is None and facts.sha:
        return None
    return Refusal(
        "signed",
        f"git finds no good signature on HEAD's {guards.signed}"
        if facts.sha
        else "this is no git repository with a commit, so there is no signature",
        f"sign it (git {'commit -S' if guards.signed == 'commit' else 'tag -s'}), "
        "and tell git whom to trust (gpg.ssh.allowedSignersFile, or gpg keys)",
        facts.unsigned or (),
    )


def ci_only(guards: Guards, facts: Facts) -> Refusal | None:
    """A CI job does it."""
    if facts.job.platform:
        return None
    return Refusal("ciOnly", "this environment is deployed by CI jobs only", "let the pipeline do it")


def healthy_in(guards: Guards, facts: Facts) -> Refusal | None:
    """The newest verdict on this very image is healthy in each of the other environments."""
    lacks = {name: _lack(facts, facts.elsewhere[name]) for name in guards.healthy_in}
    told = tuple(f"{name}: {lack}" for name, lack in lacks.items() if lack)
    if not told:
        return None
    first = next(name for name, lack in lacks.items() if lack)
    what = facts.image.tagged if facts.image else "the image"
    return Refusal("healthyIn", f"{what} is not known to be healthy in {told[0]}", _first(facts, first), told[1:])


def freeze(guards: Guards, facts: Facts) -> Refusal | None:
    """The freeze file is not there."""
    if facts.frozen is None:
        return None
    lines = tuple(line.strip() for line in facts.frozen.splitlines() if line.strip())
    return Refusal(
        "freeze",
        f"changes are frozen: {lines[0] if lines else 'the file gives no reason'}",
        f"wait until {guards.freeze} is removed",
        lines[1:FREEZE_LINES],
    )


def confirm(guards: Guards, facts: Facts) -> Refusal | None:
    """In CI: --yes, and the platform gave the job this environment. Elsewhere a person is there, and will be asked."""
    if not facts.job.platform:
        if facts.terminal:
            return None
        return Refusal("confirm", "nobody is there to type the environment's name", "run it on a terminal, or in CI")
    gitlab = facts.job.platform == "gitlab"
    given = facts.job.environment
    variable = "CI_ENVIRONMENT_NAME" if gitlab else "DEPLOY_ENVIRONMENT"
    lacks = []
    if not facts.yes:
        lacks.append("--yes is not given")
    if given != facts.environment:
        lacks.append(f"the job's environment is `{given}` ({variable})" if given else f"{variable} is not set")
    if facts.job.protected is False:
        lacks.append("the job runs for a branch or tag that is not protected (CI_COMMIT_REF_PROTECTED)")
    if not lacks:
        return None
    hint = (
        f"give the job `environment: {facts.environment}` on a protected branch or tag"
        if gitlab
        else f"give the job the protected environment {facts.environment}, and set DEPLOY_ENVIRONMENT there"
    )
    return Refusal("confirm", "; ".join(lacks), f"{hint}, and run with --yes")


def asks(guards: Guards, facts: Facts) -> bool:
    """Whether a person has to type the environment's name; nothing else is left to be asked then."""
    return guards.confirm and facts.terminal and not facts.job.platform


def matching(globs: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The names that one of the globs matches."""
    return tuple(name for name in names if name and any(fnmatchcase(name, glob) for glob in globs))


def _lack(facts: Facts, there: Elsewhere) -> str:
    """Why an image is not known to be healthy; nothing where it is."""
    if there.trouble:
        return there.trouble
    digest = facts.image.digest if facts.image else None
    if not digest:
        return "it is not in the registry yet, so it ran nowhere"
    judged = [
        number
        for number, record in sorted(there.records.items())
        if _digest(record) == digest and record.verdict in ("healthy", "failed")
    ]
    if not judged:
        return "no revision on record there ran it to a verdict"
    number = judged[-1]
    record = there.records[number]
    if record.verdict == "failed":
        return f"revision {number} of it was judged failed there" + (f" ({record.cause})" if record.cause else "")
    later = there.records.get(number + 1)
    if later and later.verb == "rollback":
        return f"revision {number} of it was rolled back there" + (f" by {later.actor}" if later.actor else "")
    return ""


def _digest(record: Record) -> str:
    return record.image.partition("@")[2]


def _first(facts: Facts, environment: str) -> str:
    named = f" --tag {facts.image.tag}" if facts.image else ""
    return f"first: deploy up --env {environment}{named}"
