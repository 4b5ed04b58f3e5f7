"""What a team writes in environments/*.yaml, read whole and checked before any work."""

from deployer.profile.load import Read, defaults, load, read
from deployer.profile.schema import Profile
from deployer.profile.sources import environments

__all__ = ["Profile", "Read", "defaults", "environments", "load", "read"]
