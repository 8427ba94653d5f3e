"""Examinations of this machine, an endpoint or a checkpoint: findings, and the settings to use."""

from mini_o3.doctor.checkpoint import examine_checkpoint
from mini_o3.doctor.endpoint import examine_endpoint
from mini_o3.doctor.findings import Finding, State
from mini_o3.doctor.machine import examine_machine

__all__ = ["Finding", "State", "examine_checkpoint", "examine_endpoint", "examine_machine"]
