"""What a team writes in environments/*.yaml, read whole and checked before any work."""

from deployer.profile.editor import editor_schema
from deployer.profile.load import Read, defaults, load, read
from deployer.profile.schema import Profile
from deployer.profile.sources import environments

__all__ = ["Profile", "Read", "defaults", "editor_schema", "environments", "load", "read"]
