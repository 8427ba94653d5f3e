"""`make demo`: ask bundled pictures, the way a user would."""
