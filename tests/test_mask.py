import base64
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from deployer.mask import SHORTEST, Mask

SECRETS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=SHORTEST, max_size=30).filter(
    lambda s: "*" not in s and len(s.splitlines()) == 1
)


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_secret_survives(secret: str, before: str, after: str) -> None:
    mask = Mask([secret])
    for form in (secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe="")):
        assert form not in mask(before + form + after)


def test_each_line_of_a_secret_is_hidden() -> None:
    assert Mask(["first line\nsecond line"])("x second line y") == "x *** y"


def test_a_secret_that_holds_another_goes_first() -> None:
    assert Mask(["pass", "password"])("password") == "***"


def test_short_values_are_words() -> None:
    assert Mask(["a", ""])("banana") == "banana"
