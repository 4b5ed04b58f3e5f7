"""What is told of a run to those who observe: a trace, figures, a mark in Grafana or in a file."""

from deployer.telemetry.send import tell, tell_above, variables

__all__ = ["tell", "tell_above", "variables"]
