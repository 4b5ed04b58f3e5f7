"""`deploy plan` for people: lines for a terminal, Markdown for the comment of a merge request."""

from collections.abc import Iterator, Sequence

from deployer.errors import PreflightError
from deployer.mask import MASK
from deployer.plan.preview import FieldChange, ObjectChange, Preview, ValueChange
from deployer.plan.steps import Plan
from deployer.report import markup, words

SIGNS = {"create": "+", "change": "~", "delete": "-"}
DONE = {"create": "is made", "change": "changes", "delete": "is deleted"}


def headline(plan: Plan) -> str:
    """What the plan comes to, in one line."""
    where = f"{plan.release} in {plan.target.namespace} (context {plan.target.context})"
    if plan.kept:
        return f"{where} is unchanged: healthy at revision {plan.kept.revision}"
    if plan.previous is None:
        return f"{where}: first revision"
    return f"{where}: a revision after {plan.previous}"


def lines(plan: Plan, found: Preview, refusals: Sequence[PreflightError]) -> Iterator[str]:
    """The whole plan as text."""
    yield f"plan: {plan.environment}: {headline(plan)}"
    yield from (f"  {note}" for note in plan.notes)
    yield from (f"  would {words.deed(step.deed, plan)}" for step in plan.steps)
    for step in plan.recovery[:1]:
        yield f"  if the rollout fails, would {words.deed(step.deed, plan)}"
    if found.values:
        yield "values:"
        yield from (f"  {_value(one)}" for one in found.values)
    if found.objects:
        yield "objects:"
        for change in found.objects:
            yield f"  {SIGNS[change.action]} {change.object}"
            yield from (f"      {_field(field)}" for field in change.fields)
    if found.rolls:
        yield "pods:"
        yield from (f"  {one.workload} rolls: {', '.join(one.why)}" for one in found.rolls)
    yield from (f"warning: {problem}" for problem in found.problems)
    for refusal in refusals:
        yield f"refused: {refusal.message}"
        yield from (f"  {line}" for line in refusal.detail)
    yield f"{_summary(plan, found)}; nothing was touched"


def markdown(plan: Plan, found: Preview, refusals: Sequence[PreflightError]) -> Iterator[str]:
    """The whole plan as Markdown that GitHub and GitLab show."""
    yield f"### deploy plan: {markup.plain(plan.environment)}"
    yield ""
    yield f"**{_summary(plan, found)}.** {markup.plain(headline(plan))}"
    for refusal in refusals:
        yield ""
        yield f"> ⛔ refused: {markup.plain(refusal.message)}"
    if plan.notes:
        yield ""
        yield from (f"- {markup.plain(note)}" for note in plan.notes)
    if found.rolls:
        yield ""
        yield from (f"- `{one.workload}` rolls: {markup.plain(', '.join(one.why))}" for one in found.rolls)
    if found.values:
        yield ""
        yield "| value | released | planned | from |"
        yield "|---|---|---|---|"
        for one in found.values:
            source = f"{one.layer}, {one.place}" if one.place and one.place != one.layer else one.layer
            cells = (*map(markup.code, (one.path, one.old, one.new)), markup.plain(source))
            yield f"| {' | '.join(cells)} |"
    if found.objects:
        inner = [line for change in found.objects for line in _diff(change)]
        yield ""
        yield f"<details><summary>{_count(len(found.objects), 'object')}</summary>"
        yield ""
        yield from markup.block(inner, "diff")
        yield ""
        yield "</details>"
    if found.problems:
        yield ""
        yield from (f"- ⚠ {markup.plain(problem)}" for problem in found.problems)


def _summary(plan: Plan, found: Preview) -> str:
    if not plan.steps:
        return "nothing to do"
    parts = [_count(len(found.values), "value"), _count(len(found.objects), "object")]
    rolls = f", {_count(len(found.rolls), 'workload')} to roll" if found.rolls else ""
    return f"changes: {', '.join(parts)}{rolls}" if not plan.kept else "changes: the pull secret"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _value(one: ValueChange) -> str:
    source = f"  ({one.layer}{', ' + one.place if one.place and one.place != one.layer else ''})" if one.layer else ""
    return f"{one.path}: {_change(one.old, one.new)}{source}"


def _field(one: FieldChange) -> str:
    return f"{one.field}: {_change(one.old, one.new)}" + ("  (the cluster has left the release)" if one.drift else "")


def _change(old: str | None, new: str | None) -> str:
    if old is None:
        return f"set to {_quoted(new)}"
    if new is None:
        return f"{_quoted(old)} → gone"
    return "changes" if old == new == MASK else f"{_quoted(old)} → {_quoted(new)}"


def _quoted(value: str | None) -> str:
    return value or '""'


def _diff(change: ObjectChange) -> Iterator[str]:
    sign = {"create": "+", "change": " ", "delete": "-"}[change.action]
    yield f"{sign} {change.object} {DONE[change.action]}"
    for field in change.fields:
        if field.old == field.new:
            yield f"!     {field.field} changes"
            continue
        if field.old is not None:
            yield f"-     {field.field}: {field.old}"
        if field.new is not None:
            yield f"+     {field.field}: {field.new}"
