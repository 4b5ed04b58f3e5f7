"""A stand-in for the runners of GitHub Actions and of GitLab CI: it runs pipeline files as they are, on this machine.

What it does is what the platforms do as far as a deploy can tell: variables, files, shells, order, environments,
signals. What it does not know it refuses, so that a pipeline that passes here has had each of its keys obeyed.
"""
