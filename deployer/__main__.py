"""The `deploy` program."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:  # asked by every CI job: nothing is imported for it
        from deployer import __version__

        print(f"deploy {__version__}")  # noqa: T201  # the one answer that is no report
        return
    from deployer.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
