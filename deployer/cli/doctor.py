"""`deploy doctor`."""

from pathlib import Path

from deployer import guard
from deployer.cli import options
from deployer.cli.consent import consent
from deployer.cli.session import answering, echo, session
from deployer.cli.streams import answer
from deployer.errors import DeployError, ExitCode, PreflightError
from deployer.report import document


def doctor(
    env: options.Env,
    target: options.OneTarget = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Check everything an `up` would need, touch nothing, and say what is missing."""
    with answering("doctor", env, output), session(project, env, env_file, one=target) as run:
        asked = consent(run, None, None, yes=True)  # whether the platform protects the environment is what can be told
        checks = run.checks.each(run.values([]), None)
    failed: dict[int, tuple[str, DeployError]] = {}
    states: dict[str, str] = {}
    if not guard.applying(run.profile.guards, "up"):
        del checks["guards"]
    for name, check in checks.items():
        error = check.exception()
        if error is None:
            states[name] = "ok"
        elif not isinstance(error, DeployError):
            raise error
        elif id(error) in failed:
            states[name] = f"not checked: needs {failed[id(error)][0]}"
        else:
            failed[id(error)] = (name, error)
            states[name] = error.message
    if "guards" in checks and all(states.get(name, "ok") == "ok" for name in ("guards", "change")):
        for name in ("guards", "change"):
            states.pop(name, None)
        facts = asked.facts(run.checks.of_guards(checks))
        refusals = {refusal.guard: refusal for refusal in guard.judge(run.profile.guards, facts)}
        for name in guard.applying(run.profile.guards, facts.verb):
            key, refusal = f"guards.{name}", refusals.get(name)
            states[key] = refusal.reason if refusal else "ok"
            if refusal:
                problem = PreflightError(refusal.reason, hint=refusal.hint, detail=refusal.detail)
                failed[id(problem)] = (key, problem)
    code = ExitCode.PREFLIGHT if failed else ExitCode.OK
    if output is options.Output.JSON:
        answer(document.doctor(env, states, code), run.mask)
        return int(code)
    width = max(12, *map(len, states))
    for name, state in states.items():
        echo(f"{'✓' if state == 'ok' else '✗'} {name:<{width}} {state}", run.mask)
        for _, error in (found for found in failed.values() if found[0] == name):
            for line in (*error.detail, *((f"hint: {error.hint}",) if error.hint else ())):
                echo(f"    {line}", run.mask)
    return int(code)
