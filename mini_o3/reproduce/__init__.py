"""The paper's claims as suites of trainings and evaluations."""
