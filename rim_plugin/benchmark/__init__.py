"""Measurements and comparisons that the scripts run."""
