"""Rules of a profile and facts in; allowed, or why not, out. Pure."""

from deployer.guard.facts import Change, Elsewhere, Facts, Refusal, Verb
from deployer.guard.judge import applying, judge
from deployer.guard.override import enforce, overriding

__all__ = ["Change", "Elsewhere", "Facts", "Refusal", "Verb", "applying", "enforce", "judge", "overriding"]
