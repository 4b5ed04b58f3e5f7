"""The door to the configuration repository that Argo CD deploys from: one folder of it, in a clone of the run's own."""

from deployer.configrepo.repository import CHART, HEAD, OWNED, Author, Change, ConfigRepo, opened
from deployer.configrepo.surroundings import checked

__all__ = ["CHART", "HEAD", "OWNED", "Author", "Change", "ConfigRepo", "checked", "opened"]
