"""What is told of a run to those who observe: a trace, figures, a mark in Grafana or in a file."""

from deployer.telemetry.send import tell, variables

__all__ = ["tell", "variables"]
