"""Pictures with boxes: the one form of them, their readers, what training does to them, and a made set."""
