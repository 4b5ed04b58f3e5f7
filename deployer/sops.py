"""The door to sops: encrypted files to values, in memory. What sops says is never shown: it quotes what it reads."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deployer import notes
from deployer.commands import sops
from deployer.errors import DeployError, ExitCode, PreflightError, UsageError
from deployer.process import ProgramFailed, Programs
from deployer.profile.sources import BASE, FOLDER, environments, nearest
from deployer.values import layers
from deployer.values.document import Document, parse
from deployer.values.interpolate import Filled, interpolate
from deployer.values.layers import Layer
from deployer.values.merge import merge
from deployer.values.sealed import Rule, Sealed, faults, plain, rule, sealed

KEYS = "SOPS_AGE_"
"""What the names of variables that lead to an age key begin with."""

SUFFIXES = (".yaml", ".yml", ".json")

ALTERED = {
    25: "a value in it does not decrypt",
    51: "its MAC does not fit what is in it",
    52: "its MAC is gone",
}
"""Exit codes of sops for a file that somebody else wrote."""

MEND = "put it back as it was in git, and change it with `deploy secrets edit` only"

SET = "set it in the job or in .env"

NO_KEY = 128
"""Its exit code where no key fits."""


@dataclass(frozen=True)
class Opened:
    """A decrypted file: values with their lines, and every scalar that was encrypted."""

    document: Document = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    paths: tuple[tuple[str, ...], ...] = ()  # where they stand

    @property
    def layer(self) -> Layer:
        """The values as a layer that nobody is shown anything of."""
        found = layers.document(layers.SOPS, self.document, Filled(self.document.data))
        return replace(found, secret=True)


@dataclass(frozen=True)
class Checked:
    """What was found out about one file."""

    path: Path
    recipients: tuple[str, ...]
    problems: tuple[DeployError, ...]

    @property
    def exit_code(self) -> ExitCode:
        """That of the worst problem."""
        return max((ExitCode(one.exit_code) for one in self.problems), default=ExitCode.OK)


@dataclass(frozen=True)
class Sops:
    """The sops program of a run. Its environment alone has the keys."""

    program: str
    programs: Programs
    project: Path

    def open(self, paths: Sequence[Path]) -> tuple[Opened, ...]:
        """Every file, decrypted side by side.

        Raises UsageError where a file is wrong, PreflightError where sops or a key is missing.
        """
        with ThreadPoolExecutor(4) as pool:
            return tuple(pool.map(lambda path: self.decrypt(self.read(path)), paths))

    def read(self, path: Path) -> Sealed:
        """A file as it is. Raises UsageError where it is plain, or nothing that sops wrote."""
        if path.suffix not in SUFFIXES:
            raise UsageError(f"{path}: secrets are read from files in {', '.join(SUFFIXES)}")
        return sealed(path, _text(self.project, path))

    def decrypt(self, file: Sealed) -> Opened:
        """One file, decrypted. Raises as `open` does."""
        if where := next(plain(file, Rule(file.metadata)), None):
            raise UsageError(f"{where} is plain: it was altered after sops wrote the file", hint=MEND)
        try:
            text = self.programs.read(sops.decrypt(self.program, self.project, file.path))
        except ProgramFailed as error:
            raise self._failed(file, error.code) from None
        except PreflightError as error:
            raise PreflightError(
                f"{file.path} is encrypted, and {error.message}",
                hint="install sops 3.9 or later, or name it in tools.sops",
            ) from None
        data: Any = None
        with suppress(ValueError):  # it quotes the text
            data = json.loads(text)
        if not isinstance(data, dict):
            raise UsageError(f"{file.path}: what it decrypts to is no map of values")
        return Opened(Document(file.path, data, file.document.lines), file.secrets(data), file.paths)

    def rule(self, path: Path) -> Rule | None:
        """The creation rule for a file, from the nearest .sops.yaml; None where there is none."""
        whole = self.project.resolve() / path
        folder = next((one for one in self._folders() if (one / ".sops.yaml").is_file()), None)
        if folder is None or not whole.is_relative_to(folder):
            return None
        config = Path(".sops.yaml")
        return rule(parse(config, _text(folder, config)), whole.relative_to(folder).as_posix())

    def check(self, path: Path) -> Checked:
        """Everything that is wrong with a file; raises nothing that a file is to blame for."""
        problems: list[DeployError] = []
        try:
            file = self.read(path)
        except UsageError as error:
            return Checked(path, (), (error,))
        try:
            self.decrypt(file)
        except DeployError as error:
            problems.append(error)
        try:
            under = self.rule(path)
            if under is None:
                problems.append(UsageError(f"no creation rule of .sops.yaml covers {path}"))
            else:
                problems += map(UsageError, faults(file, under))
        except UsageError as error:
            problems.append(error)
        return Checked(path, tuple(sorted(file.recipients)), tuple(problems))

    def rotate(self, path: Path) -> None:
        """Encrypt a file for the recipients of .sops.yaml, under a new data key. Raises as `open` does."""
        file = self.read(path)
        self.decrypt(file)
        self._covered(path)
        for command in (
            sops.update_keys(self.program, self.project, path),
            sops.rotate(self.program, self.project, path),
        ):
            try:
                self.programs.run(command, lambda line: None)
            except ProgramFailed as error:
                raise self._failed(file, error.code) from None

    def edit(self, path: Path, folder: Path | None) -> bool:
        """Open a file in the user's editor; whether it was changed. `folder` holds the plain text meanwhile.

        Raises UsageError where no creation rule covers the file, PreflightError where it cannot be decrypted.
        """
        there = (self.project / path).exists()
        file = self.read(path) if there else Sealed(path, Document(path, {}), {})
        if not there:
            self._covered(path)
        code = self.programs.attach(sops.edit(self.program, self.project, path, folder))
        if code == 200:  # FileHasNotBeenModified
            return False
        if code == 201:  # the editor ended badly
            raise DeployError(f"the editor failed; {path} is as it was", hint="name yours in SOPS_EDITOR or EDITOR")
        if code:
            raise self._failed(file, code)
        return True

    def _covered(self, path: Path) -> None:
        if self.rule(path) is None:
            raise UsageError(
                f"no creation rule of .sops.yaml covers {path}, so it is for nobody to read",
                hint="docs/secrets.md has a .sops.yaml to begin with",
            )

    def _failed(self, file: Sealed, code: int) -> UsageError | PreflightError:
        path = file.path
        if code in ALTERED:
            return UsageError(
                f"{path} was altered after sops wrote it: {ALTERED[code]}",
                hint=MEND,
            )
        if code == NO_KEY:
            return PreflightError(
                f"{path} cannot be decrypted: {self._lack()}",
                detail=tuple(f"it is encrypted for {one}" for one in sorted(file.recipients)[:10]),
                hint="name a key in SOPS_AGE_KEY or SOPS_AGE_KEY_FILE; docs/secrets.md says how to become a recipient",
            )
        return PreflightError(f"sops failed on {path} with code {code}", hint=f"`sops decrypt {path}` says why")

    def _lack(self) -> str:
        """Which key is missing, as the environment tells: sops's own words may quote one."""
        environ = self.programs.environ
        if named := environ.get("SOPS_AGE_KEY_FILE"):
            there = (self.project / named).is_file()
            return "no key in SOPS_AGE_KEY_FILE fits" if there else "SOPS_AGE_KEY_FILE names a file that is not there"
        if any(value for name, value in environ.items() if name.startswith(KEYS)):
            return "the key that is given does not fit"
        home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config"
        there = (Path(home) / "sops" / "age" / "keys.txt").is_file()
        return "no key in sops/age/keys.txt fits" if there else "there is no age key"

    def _folders(self) -> tuple[Path, ...]:
        here = self.project.resolve()
        return (here, *here.parents)


def of(
    project: Path, environment: str, variables: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[Sops, tuple[Path, ...]]:
    """sops as an environment names it, and the environment's files, from as much of the profile as that needs.

    Who looks after secrets need not have the variables of a release. Raises UsageError where a file is wrong, or there
    is no such environment; the base is one here.
    """
    names = (*environments(project), BASE)
    if environment not in names:
        raise UsageError(
            f"unknown environment `{environment}`{nearest(environment, names)}", hint=f"here are: {', '.join(names)}"
        )
    data: dict[str, Any] = {}
    for path in dict.fromkeys(Path(FOLDER) / f"{name}.yaml" for name in (BASE, environment)):
        if (project / path).exists():
            data = merge(data, parse(path, _text(project, path)).data)
    tools, more = data.get("tools"), data.get("secretFiles") or []
    program = (tools.get("sops") if isinstance(tools, Mapping) else None) or "sops"
    if not isinstance(more, list):
        raise UsageError(f"secretFiles is `{more}`; a list of files is expected")
    filled = interpolate([program, *more], variables, quoted=lambda keys: True)
    if filled.missing:
        raise UsageError(f"variable not set: {', '.join(sorted({one.name for one in filled.missing}))}", hint=SET)
    program, *more = map(str, filled.data)
    programs = Programs(environ, frozenset({notes.TOKEN, *_logins(data)}))
    return Sops(program, keyed(programs, variables), project), files(project, environment, [Path(one) for one in more])


def files(project: Path, environment: str, more: Sequence[Path]) -> tuple[Path, ...]:
    """The encrypted files of an environment, weakest first, relative to the project.

    base.secrets.yaml and <env>.secrets.yaml where they are, then those that the profile names. Raises UsageError where
    one of these is not there.
    """
    found = [path for name in (BASE, environment) if (project / (path := own(name))).exists()]
    for path in more:
        if not (project / path).is_file():
            raise UsageError(f"there is no {path} (secretFiles)")
    return tuple(dict.fromkeys((*found, *more)))


def own(environment: str) -> Path:
    """The file with the secrets of an environment, relative to the project."""
    return Path(FOLDER) / f"{environment}.secrets.yaml"


def _logins(data: Any) -> Iterator[str]:
    """The variables that a profile, whole or not, names as secret: sops needs none of them."""
    if not isinstance(data, Mapping):
        return
    for key, value in data.items():
        if key in ("secrets", "headers") and isinstance(value, Mapping):
            yield from (name for name in value.values() if isinstance(name, str))
        elif isinstance(value, str) and key.endswith(("passwordVariable", "TokenVariable")):
            yield value
        elif key != "values":
            yield from _logins(value)


def keyed(programs: Programs, variables: Mapping[str, str]) -> Programs:
    """Programs under the same environment that get the age keys among the variables, and no other secret."""
    age = keys(variables)
    return Programs({**programs.environ, **age}, programs.secrets - age.keys())


def keys(variables: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that lead to an age key."""
    return {name: value for name, value in variables.items() if name.startswith(KEYS)}


def key_lines(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The age keys among the variables, without the comments that age-keygen writes."""
    lines = variables.get("SOPS_AGE_KEY", "").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def _text(folder: Path, path: Path) -> str:
    try:
        return (folder / path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
