"""What Prometheus knows of a release, judged: queries with placeholders in, bounds and verdicts out. Pure."""
