"""Reinforcement learning with over-turn masking."""
