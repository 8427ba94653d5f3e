"""Where people look: turns on the terminal as they happen, and an episode as one page."""
