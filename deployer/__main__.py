"""The `deploy` program."""

import atexit
import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:  # asked by every CI job: nothing is imported for it
        from deployer import __version__

        print(f"deploy {__version__}")  # noqa: T201  # the one answer that is no report
        return
    gc.set_threshold(50_000, 20, 20)  # by default imports alone set off hundreds of collections that find nothing
    from deployer.cli import run

    code = run(sys.argv[1:])
    atexit._run_exitfuncs()  # the Kubernetes client takes its temporary files away there
    os._exit(code)  # to take a thousand modules apart would take a tenth of a second


if __name__ == "__main__":
    main()
