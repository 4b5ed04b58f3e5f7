"""The `deploy` program."""

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

    # Everything is cleared up by its `with`; to take a thousand modules apart would take a tenth of a second.
    os._exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
