"""`deploy unlock`."""

from pathlib import Path

from deployer import lock
from deployer.cli import asking, options
from deployer.cli.session import answering, echo, session
from deployer.cli.streams import answer
from deployer.errors import ExitCode
from deployer.report import document, words


def unlock(
    env: options.Env,
    target: options.OneTarget = None,
    yes: options.Yes = False,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Take the lease away from a run that is gone; one that still works stops before its next deed."""
    with answering("unlock", env, output), session(project, env, env_file, one=target) as run:
        cluster = run.checks.cluster()
        namespace, release = run.target.namespace, run.profile.release.name
        held = lock.holder(cluster, namespace, release)
        taken = False
        if held:
            silent = held.silent(cluster.server_time())
            question = f"{release} in {namespace}: {words.holder(held, silent)}; take it away?"
            asking.confirm(run, question, yes)
            taken = lock.unlock(cluster, namespace, release, held)
    message = words.unlocked(f"{release} in {namespace}", held, taken)
    if output is options.Output.JSON:
        answer(document.unlock(env, message, held, taken), run.mask)
    else:
        echo(message, run.mask)
    return int(ExitCode.OK)
