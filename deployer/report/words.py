"""Sentences that every form of output shares. No colour here: words must do without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.metrics.judge import number
from deployer.plan.steps import (
    Abandon,
    Clear,
    Commit,
    Deed,
    Hold,
    Observe,
    Pin,
    Plan,
    PullSecret,
    Revert,
    Rollback,
    Routed,
    Run,
    Sync,
    Uninstall,
    Upgrade,
    Verify,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from deployer.errors import DeployError
    from deployer.health.verdict import Judgement
    from deployer.lock import Holder
    from deployer.metrics.judge import Reading
    from deployer.model import Image
    from deployer.plan.difference import Difference
    from deployer.plan.drift import Drift
    from deployer.plan.init import Service
    from deployer.result import Result
    from deployer.scaffold import Written
    from deployer.sops import Checked


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def judgement(found: Judgement) -> str:
    """A workload's state in one line, with the first suspect."""
    suspect = f" — {found.causes[0].object}: {found.causes[0].message}" if found.causes else ""
    return f"{found.workload}: {found.summary}{suspect}"


def metric(reading: Reading, patience: int) -> str:
    """`errorRatio: 0.052, may be at most 0.01 (2 of 3 breaches)`."""
    if reading.unanswered:
        return f"{reading.name}: {reading.trouble}"
    if reading.value is None:
        return f"{reading.name}: no data" + (f" ({reading.breaches} of {patience})" if reading.breaches else "")
    breaches = f" ({reading.breaches} of {patience} breaches)" if reading.breaches else ""
    whose = f" of {reading.series}" if reading.series else ""
    return f"{reading.name}{whose}: {number(reading.value)}, may be {reading.bound}{breaches}"


def error(problem: DeployError) -> Iterator[str]:
    """An error, its detail, and what to do next."""
    yield f"error: {problem.message}"
    for line in problem.detail:
        yield f"  {line}"
    if problem.hint:
        yield f"hint: {problem.hint}"


def plan(made: Plan) -> Iterator[str]:
    """What would be done, a line a deed."""
    where = f"{made.release} in {made.target.namespace} (context {made.target.context})"
    yield f"plan: {made.verb} {made.environment}: {where}"
    yield from (f"  {note}" for note in made.notes)
    yield from (f"  {difference(one)}" for one in made.differences)
    yield from (f"  guard {name} would be passed over: {why}" for name, why in made.record.overrides.items())
    yield from (f"  would {deed(step.deed, made)}" for step in made.steps)
    for step in made.recovery[:1]:
        yield f"  if the rollout fails, would {deed(step.deed, made)}"
    yield "nothing was touched"


def difference(one: Difference) -> str:
    """`image of deployment/web, container web: r/web:2 → r/web:1`."""
    before, after = ("(none)" if text is None else text or "(empty)" for text in (one.before, one.after))
    return f"{one.what}: differs" if before == after else f"{one.what}: {before} → {after}"


def changes(made: Plan) -> Iterator[str]:
    """What a rollback or a promotion changes, for who is asked."""
    same = (
        f"the values are those of {made.promotion.source}"
        if made.promotion
        else "chart, images and values are the same"
    )
    yield f"{made.release} in {made.target.namespace} (context {made.target.context}): {made.notes[0]}"
    yield from (f"  {difference(one)}" for one in made.differences)
    if not made.differences:
        yield f"  {same}"
    yield from (f"  {note}" for note in made.notes[1:])


def deed(done: Deed, made: Plan) -> str:
    """One deed in words."""
    match done:
        case Run(command):
            return f"run {' '.join(command.argv)}"
        case Pin(image):
            return f"ask the registry for the digest of {image.tagged}"
        case PullSecret(name):
            return f"create or refresh the pull secret {name}"
        case Abandon(revision, status, removed):
            how = "take revision {} out of the history" if removed else "mark revision {} failed"
            return f"{how.format(revision)}, if a killed run left it {status}"
        case Uninstall():
            return f"remove the release {made.release} and its history"
        case Upgrade(portion=portion) if portion and portion.promoted and not portion.weight:
            return "give the stable pods all the requests, with the second version still there"
        case Upgrade(portion=portion) if portion and portion.promoted:
            return f"release it for the stable pods too, while it keeps {portion.weight} % of the requests"
        case Upgrade(portion=portion) if portion:
            what = made.image.reference if made.image else made.release
            return f"give {what} {portion.weight} % of the requests, beside revision {portion.base.revision.number}"
        case Upgrade():
            before = f"over revision {made.previous}" if made.previous else "as the first revision"
            return f"release {made.image.reference if made.image else made.release} {before}"
        case Rollback(revision):
            return f"put revision {revision} back"
        case Commit(_, proposal):
            to = f"propose it as branch {proposal}" if proposal else "push it"
            return f"commit {made.image.reference if made.image else made.release} and its values, and {to}"
        case Revert(revision, commit):
            return f"commit what revision {revision} was ({commit[:12]}), and push it"
        case Sync():
            return "ask Argo CD to look, and wait until it has applied that commit"
        case Verify():
            return "watch the rollout until it is judged"
        case Observe(guards, time):
            return f"watch the metrics {', '.join(one.name for one in guards)} for {seconds(time)}"
        case Routed():
            return "wait until its routes are taken up"
        case Hold(time):
            return f"watch it for {seconds(time)} more"
        case Clear():
            return "remove what the canary of a run that was killed has left"


def bundle(environment: str, file: Path, digest: str, image: Image) -> Iterator[str]:
    """An archive that was written."""
    yield f"ok: {file} holds image, chart and profiles of {environment}; nothing secret in plain text"
    yield f"image: {image.reference}"
    yield f"digest: sha256:{digest}"
    yield f"hint: deploy up --env {environment} --bundle {file.name} --bundle-digest sha256:{digest}"


def drift(one: Drift) -> str:
    """One field that is not as the release says."""
    if not one.field:
        return f"{one.object} is missing"
    place = f"{one.object} {one.field}"
    if one.found is None:
        return f"{place} is gone, and should be {one.wanted or 'empty'}"
    if one.found == "differs":
        return f"{place} differs"
    if one.wanted is None:
        return f"{place} was added: {one.found or 'empty'}"
    return f"{place} is {one.found or 'empty'}, and should be {one.wanted or 'empty'}"


def holder(held: Holder, silent: float | None) -> str:
    """Who holds a lease, and whether it seems to be alive."""
    sign = "" if silent is None else f", last sign of life {seconds(silent)} ago"
    return f"{held}{sign}"


def unlocked(what: str, held: Holder | None, taken: bool) -> str:
    """What `deploy unlock` has done."""
    if held is None:
        return f"nobody holds {what}"
    if not taken:
        return f"{what} was given back meanwhile"
    return f"{what} is free; {held.actor or 'somebody'} held it since {held.since}"


def checked(found: Sequence[Checked]) -> Iterator[str]:
    """Encrypted files, and what is wrong with each."""
    if not found:
        yield "nothing is encrypted here"
    for one in found:
        count = len(one.recipients)
        yield f"{'✗' if one.problems else '✓'} {one.path}  {count} recipient{'' if count == 1 else 's'}"
        for problem in one.problems:
            yield f"    {problem.message.removeprefix(f'{one.path}: ')}"
            if problem.hint:
                yield f"    hint: {problem.hint}"


def rotated(files: Sequence[Path]) -> Iterator[str]:
    """Files that were encrypted anew."""
    yield from (f"{file} is encrypted anew" for file in files)
    yield (
        "hint: commit it; who was a recipient before knows the old values, so change these too"
        if files
        else ("nothing is encrypted here")
    )


def init(service: Service, done: Written) -> Iterator[str]:
    """What was written for a service, what was there already, and what is to be done next."""
    probed = f"probes {service.alive or 'the port'} and {service.ready or 'the port'}"
    yield f"{service.name}: Go module in {service.module}, port {service.port}, {probed}"
    yield f"registry: {service.registry or 'what the job says in REGISTRY_URL'}"
    yield from (f"  written  {path}" for path in done.written)
    yield from (f"  there    {path}" for path in done.same)
    yield from (f"  KEPT     {path}: exists and is another; compare it by hand" for path in done.kept)
    if "Makefile" in done.kept:
        yield "hint: add `include deploy.mk` to your Makefile; the pipeline does without"
    if ".gitignore" in done.kept:
        yield "hint: add .env to .gitignore: it may hold variables of your own, passwords too"
    yield "next: commit it, then `deploy doctor --env dev` says what is missing, and `deploy up --env dev` deploys"


def manifests(texts: Mapping[str, str]) -> Iterator[str]:
    """The files for Argo CD, as one stream of YAML."""
    for path, text in texts.items():
        yield f"---\n# {path}\n{text.rstrip()}"


def gitops(
    where: str, made: Mapping[str, Mapping[str, Any]], done: Written, contexts: Mapping[str, str]
) -> Iterator[str]:
    """What was written for Argo CD and what it says; `contexts`: environment → that of Argo CD's cluster."""
    yield f"for Argo CD, in {where}"
    for state, paths in (("written", done.written), ("there   ", done.same), ("KEPT    ", done.kept)):
        yield from (f"  {state} {path}: {_manifest(made[path])}" for path in paths)
    if done.kept:
        yield "hint: what is KEPT was changed by somebody: compare it with `--dry-run`; --force writes over it"
    for context in sorted({*contexts.values()}):
        names = ", ".join(name for name, one in contexts.items() if one == context)
        yield f"next: `kubectl --context {context} apply --filename DIR`, for {names}"
    yield "Argo CD needs a login of its own for the repository: a Secret in its namespace (docs/gitops.md says how)"


def _manifest(item: Mapping[str, Any]) -> str:
    head, spec = f"{item['kind']} {item['metadata']['name']}", item["spec"]
    match item["kind"]:
        case "AppProject":
            kinds = len(spec["clusterResourceWhitelist"]) + len(spec["namespaceResourceWhitelist"])
            to = ", ".join(map(_whereto, spec["destinations"]))
            return f"{head}: {kinds} kinds, from {', '.join(spec['sourceRepos'])}, to {to}"
        case "ApplicationSet":
            (generator,) = spec["generators"]
            if "list" in generator:
                return f"{head}: {', '.join(one['application'] for one in generator['list']['elements'])}"
            labels = generator["clusters"]["selector"]["matchLabels"]
            listed = ", ".join(f"{key}={value}" for key, value in labels.items())
            return f"{head}: every cluster with {listed}; {_source(spec['template']['spec'])}"
        case _:
            return f"{head}: {_source(spec)}, to {_whereto(spec['destination'])}"


def _source(spec: Mapping[str, Any]) -> str:
    source, automated = spec["source"], spec["syncPolicy"].get("automated")
    how = "synced by hand" if automated is None else "self-healing" if automated["selfHeal"] else "synced by itself"
    return f"{source['path']} of {source['repoURL']} ({source['targetRevision']}), {how}"


def _whereto(destination: Mapping[str, str]) -> str:
    return f"{destination['namespace']} in {destination.get('name') or destination['server']}"


def outcome(result: Result) -> Iterator[str]:
    """How a run ended."""
    mark = "ok" if result.exit_code == 0 else "failed"
    yield f"{mark}: {result.message} ({seconds(result.seconds)})"
    for line in result.detail:
        yield f"  {line}"
    if result.image and result.exit_code == 0:
        yield f"image: {result.image.reference}"
    if result.commit and result.exit_code == 0:
        yield f"commit: {result.commit}"
    if result.proposed:
        yield f"next: merge {result.proposed}, then `deploy up --env {result.plan.environment}` judges what runs"
    if result.restored is not None:
        yield f"rolled back: revision {result.restored} serves again"
    for warning in result.warnings:
        yield f"warning: {warning}"
    if result.hint:
        yield f"hint: {result.hint}"
