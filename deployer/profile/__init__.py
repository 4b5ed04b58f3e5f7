"""What a team writes in environments/*.yaml, read whole and checked before any work."""

from deployer.profile.load import environments, load
from deployer.profile.schema import Profile

__all__ = ["Profile", "environments", "load"]
