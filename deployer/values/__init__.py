"""Layers of YAML in, effective values out. Pure."""
