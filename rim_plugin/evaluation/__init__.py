"""Metrics, evaluators of faces and of pairs of faces, and the loop that validation, packing and benchmark share."""

from rim_plugin.evaluation import metrics  # noqa: F401  registers them
