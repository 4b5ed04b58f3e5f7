from pathlib import Path

import pytest

from deployer.credentials import Login, login, require, sensitive, variables
from deployer.errors import PreflightError, UsageError


def test_the_job_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n# note\nexport C='a b'\nD\nE=${A}\n")
    known = variables(tmp_path / ".env", {"A": "job", "Z": ""})
    assert known == {"A": "job", "B": "file", "C": "a b", "E": "${A}", "Z": ""}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\r\nB=2\r\n")
    assert variables(tmp_path / ".env", {}) == {"A": "1", "B": "2"}


def test_no_file_is_no_error(tmp_path: Path) -> None:
    assert variables(tmp_path / ".env", {"A": "job"}) == {"A": "job"}


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(UsageError, match=r"\.env: cannot be read"):
        variables(tmp_path / ".env", {})


@pytest.mark.parametrize(
    ("known", "absent"),
    [
        ({}, "USER_NAME, PASSWORD"),
        ({"USER_NAME": "u"}, "PASSWORD"),
        ({"USER_NAME": "", "PASSWORD": "p"}, "USER_NAME"),
    ],
)
def test_variables_that_are_not_set_are_named(known: dict[str, str], absent: str) -> None:
    with pytest.raises(PreflightError) as error:
        login("USER_NAME", "PASSWORD", known)
    assert error.value.message == f"the registry login needs variables that are not set: {absent}"
    assert ".env" in (error.value.hint or "")


@pytest.mark.parametrize(("username", "password"), [(None, None), ("U", None), (None, "P")])
def test_a_registry_without_a_login(username: str | None, password: str | None) -> None:
    assert login(username, password, {"U": "u", "P": "p"}) is None


def test_the_login() -> None:
    assert login("U", "P", {"U": "deploy", "P": "s3cret"}) == Login("deploy", "s3cret")


def test_a_login_never_shows_its_password() -> None:
    found = Login("deploy", "s3cret")
    assert "s3cret" not in repr(found) + str(found) + f"{[found]}"


def test_nothing_is_required() -> None:
    require((), {}, what="secrets:")


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "long-enough", True),
        ("GITHUB_TOKEN", "long-enough", True),
        ("AWS_SECRET_ACCESS_KEY", "long-enough", True),
        ("stripe_api_key", "long-enough", True),
        ("APP_SECRET", "short", False),
        ("TOKEN_TTL", "long-enough", False),
        ("COMPASS", "long-enough", False),
        ("SSH_KEY", "long-enough", False),
    ],
)
def test_variables_that_are_secrets_by_their_name(name: str, value: str, secret: bool) -> None:
    assert sensitive({name: value}) == ((value,) if secret else ())
