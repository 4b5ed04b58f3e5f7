"""Whose trace a run belongs to."""

import re

import pytest

from deployer.telemetry.context import context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_the_callers_trace_goes_on() -> None:
    found = context(f"00-{TRACE}-{SPAN}-01")
    assert (found.trace, found.parent, found.sampled) == (TRACE, SPAN, True)
    assert found.span not in (SPAN, "")
    assert found.traceparent == f"00-{TRACE}-{found.span}-01"
    assert not context(f"00-{TRACE}-{SPAN}-00").sampled
    assert context(f"01-{TRACE}-{SPAN}-01-more").trace == TRACE  # a version to come


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_what_names_none_begins_one(text: str | None) -> None:
    found = context(text)
    assert re.fullmatch("[0-9a-f]{32}", found.trace)
    assert found.trace != TRACE
    assert (found.parent, found.sampled) == ("", True)


def test_each_target_of_many_has_a_span_of_its_own() -> None:
    above = context(None)
    below = above.below()
    assert (below.trace, below.parent) == (above.trace, above.span)
    assert below.span != above.span
