"""What people see: turns on the terminal, an episode as a page, an evaluation as a page."""
