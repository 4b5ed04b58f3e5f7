"""`deploy down`."""

from pathlib import Path

from deployer.cli import asking, options
from deployer.cli.consent import consent
from deployer.cli.jobs import Reports
from deployer.cli.session import answering, session, show, teller
from deployer.execute import Doors, execute
from deployer.plan import down as plans
from deployer.registry import Registry


def down(
    env: options.Env,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.Yes = False,
    timeout: options.Timeout = None,
    summary: options.Summary = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Remove a release and its history; refused where the profile says so, and in prod unless it says otherwise."""
    reports = Reports(project, summary=summary)
    with answering("down", env, output, reports), session(project, env, env_file, timeout=timeout) as run:
        plans.guard(env, run.profile, run.target)
        consented = consent(run, override, reason, yes=yes)
        passed = consented.passed(run.checks.guarded("down"))
        helm, cluster, history = run.checks.for_rollback()
        name = run.profile.release.name
        if history and not consented.confirm("down", passed):
            where = f"{run.target.namespace} (context {run.target.context})"
            asking.spell(run, f"this removes {name} from {where} with its history; type {name} to go on", name, yes)
        with (
            teller(run.mask, output, verbose=verbose) as screen,
            run.lease(cluster, "down", screen.tell) as lease,
        ):
            plan = plans.down(env, run.profile, run.target, run.checks.history(cluster)).passing(passed)
            doors = Doors(run.programs, cluster, Registry(run.profile.registry.url), helm, lease)
            result = execute(plan, run.profile, run.project, doors, screen.tell)
        return show(run.told(result), run.mask, output, reports)
