"""Looks into a repository that is not deployed yet, and writes what it lacks. Never over what people wrote."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.commands import git
from deployer.errors import DeployError, PreflightError
from deployer.plan import init
from deployer.process import Programs

HERE = Path(__file__).parent
SKIPPED = {"vendor", "testdata", "node_modules", "third_party"}
LARGEST = 1 << 20
"""Bytes of a source file that is looked into."""


@dataclass(frozen=True)
class Written:
    """What became of the files, by their paths; the chart is one of them."""

    written: tuple[str, ...]
    same: tuple[str, ...]  # were there already, and have what would have been written
    kept: tuple[str, ...]  # were there already, otherwise; left as they are


def shipped() -> dict[str, str]:
    """The working example and the templates, path → text. A wheel holds copies of the example, made with it."""
    example = HERE / "templates" if (HERE / "templates" / "chart").is_dir() else HERE.parent
    found = {f"templates/{file.name}": file.read_text(encoding="utf-8") for file in _files(HERE / "templates", "*.*")}
    for file in _files(example / "chart", "**/*"):
        found[file.relative_to(example).as_posix()] = file.read_text(encoding="utf-8")
    for file in _files(example / "environments", "*.yaml"):
        if "." not in file.stem:
            found[f"environments/{file.name}"] = file.read_text(encoding="utf-8")
    for name in ("environments/schema.json", "service/Dockerfile", "service/.dockerignore"):
        found[name] = (example / name).read_text(encoding="utf-8")
    return found


def modules(project: Path) -> dict[str, str]:
    """The go.mod of the project, or where it has none those of its folders: folder → text."""
    found = [project / "go.mod"] if (project / "go.mod").is_file() else sorted(project.glob("*/go.mod"))
    return {file.parent.relative_to(project).as_posix(): _text(file) for file in found}


def sources(folder: Path) -> dict[str, str]:
    """The Go files under a folder but for tests: path relative to it → text."""
    return {file.relative_to(folder).as_posix(): _text(file) for file in sorted(_go(folder))}


def text(file: Path) -> str | None:
    """The text of a file, or None where there is none."""
    return _text(file) if file.is_file() else None


def remote(programs: Programs, project: Path) -> str:
    """The URL of the git remote `origin`; empty where there is none, or no git."""
    try:
        return programs.read(git.remote(project)).strip()
    except DeployError:
        return ""


def write(project: Path, files: Mapping[str, str]) -> Written:
    """Write the files that are not there. Raises PreflightError where a folder cannot be written."""
    written: list[str] = []
    same: list[str] = []
    kept: list[str] = []
    for unit, paths in init.units(files).items():
        if (project / unit).exists() or (project / unit).is_symlink():
            equal = all(init.holds(path, text(project / path) or "", files[path]) for path in paths)
            (same if equal else kept).append(unit)
            continue
        for path in paths:
            _write(project / path, files[path])
        written.append(unit)
    return Written(tuple(written), tuple(same), tuple(kept))


def renew(folder: Path, files: Mapping[str, str], replaceable: Callable[[str], bool]) -> Written:
    """Write the files that are not there, and over those whose text may be replaced. Raises as `write` does."""
    written: list[str] = []
    same: list[str] = []
    kept: list[str] = []
    for path, wanted in files.items():
        there = text(folder / path)
        if there == wanted:
            same.append(path)
        elif there is None or replaceable(there):
            with suppress(FileNotFoundError):
                (folder / path).unlink()
            _write(folder / path, wanted)
            written.append(path)
        else:
            kept.append(path)
    return Written(tuple(written), tuple(same), tuple(kept))


def _write(file: Path, content: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8", newline="\n") as fresh:
            fresh.write(content)
    except OSError as error:
        raise PreflightError(f"{file}: {error.strerror}") from None


def _go(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_symlink() or entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and entry.name not in SKIPPED:
            yield from _go(entry)
        elif entry.suffix == ".go" and not entry.name.endswith("_test.go") and entry.stat().st_size <= LARGEST:
            yield entry


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(file for file in folder.glob(pattern) if file.is_file() and file.suffix not in (".py", ".pyc"))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise PreflightError(f"{file}: {error.strerror}") from None
