"""Measuring a policy on tasks."""
