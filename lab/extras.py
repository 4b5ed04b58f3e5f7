"""Parts that not every lab has: each is brought up beside a lab that runs, by its own verb."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab import argocd, builder, fleet, gateway, gitserver, mesh, network, observe, programs
from lab.processes import recorded


@dataclass(frozen=True)
class Extra:
    """What a verb of its own adds to the lab."""

    mark: str  # the program on record that says that it was asked for
    up: Mapping[str, Callable[[], str]]  # in this order
    ready: Mapping[str, Callable[[], bool]]
    down: tuple[Callable[[], None], ...]  # in this order
    variables: tuple[Callable[[], dict[str, str]], ...] = field(default=())

    @property
    def asked(self) -> bool:
        """Whether this lab has it."""
        return self.mark in recorded()

    @property
    def environment(self) -> dict[str, str]:
        """Its variables for a shell; none where this lab does not have it."""
        return {name: value for known in self.variables for name, value in known().items()} if self.asked else {}


EXTRAS = {
    "gitops": Extra(
        gitserver.NAME,
        {
            "packages": lambda: programs.packages(programs.GITOPS),
            "argocd, built": programs.argocd,
            "network": network.up,
            "git server": gitserver.up,
            "argocd": argocd.up,
        },
        {"git server": gitserver.ready, "argocd": argocd.ready},
        (argocd.down, gitserver.down),
        (gitserver.environment, argocd.environment),
    ),
    "buildkit": Extra(
        builder.NAME, {"buildkit": builder.up}, {"buildkit": builder.ready}, (builder.down,), (builder.environment,)
    ),
    "observe": Extra(
        observe.PARTS[0], {"observe": observe.up}, {"observe": observe.ready}, (observe.down,), (observe.environment,)
    ),
    "fleet": Extra(
        fleet.MEMBERS[0].part("etcd"), {"fleet": fleet.up}, {"fleet": fleet.ready}, (fleet.down,), (fleet.environment,)
    ),
    "gateway": Extra(
        gateway.CONTOUR,
        {"gateway's programs": programs.gateway, "gateway": gateway.up},
        {"gateway": gateway.ready},
        (gateway.down,),
        (gateway.environment,),
    ),
    "mesh": Extra(
        mesh.NAME,
        {"mesh's programs": programs.mesh, "mesh": mesh.up},
        {"mesh": mesh.ready},
        (mesh.down,),
        (mesh.environment,),
    ),
}
