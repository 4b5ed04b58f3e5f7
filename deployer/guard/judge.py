"""All guards of a profile over the facts. Every one that refuses is told."""

from collections.abc import Callable, Mapping
from typing import Any

from deployer.guard import change, rules, window
from deployer.guard.facts import Facts, Refusal, Verb
from deployer.profile.schema import Guards

RULES: Mapping[str, tuple[Callable[[Guards], Any], Callable[[Guards, Facts], Refusal | None]]] = {
    "cleanTree": (lambda guards: guards.clean_tree, rules.clean_tree),
    "branch": (lambda guards: guards.branch, rules.branch),
    "tag": (lambda guards: guards.tag, rules.tag),
    "signed": (lambda guards: guards.signed, rules.signed),
    "ciOnly": (lambda guards: guards.ci_only, rules.ci_only),
    "healthyIn": (lambda guards: guards.healthy_in, rules.healthy_in),
    "window": (lambda guards: guards.window.open or guards.window.closed, window.window),
    "freeze": (lambda guards: guards.freeze, rules.freeze),
    "maxReplicasChange": (lambda guards: guards.max_replicas_change is not None, change.max_replicas_change),
    "maxResourcesChange": (lambda guards: guards.max_resources_change is not None, change.max_resources_change),
    "confirm": (lambda guards: guards.confirm, rules.confirm),
}
"""Key in the profile: whether the profile sets it, and the rule."""

APPLIES: Mapping[Verb, frozenset[str]] = {
    "up": frozenset(RULES),
    "promote": frozenset(RULES),
    # An emergency: what goes back was judged healthy, and comes from no tree. Who may, and whether anything may move.
    "rollback": frozenset({"ciOnly", "freeze", "confirm"}),
    "down": frozenset({"ciOnly", "freeze", "window", "confirm"}),
}


def applying(guards: Guards, verb: Verb) -> tuple[str, ...]:
    """The guards that the profile sets and that count for a verb, in the order they are told."""
    return tuple(name for name, (is_set, _) in RULES.items() if name in APPLIES[verb] and is_set(guards))


def judge(guards: Guards, facts: Facts) -> tuple[Refusal, ...]:
    """Every guard that refuses; nothing where all allow it."""
    found = (RULES[name][1](guards, facts) for name in applying(guards, facts.verb))
    return tuple(refusal for refusal in found if refusal)
