"""A real registry and a real two-node Kubernetes on one bare machine, for demos and tests."""
