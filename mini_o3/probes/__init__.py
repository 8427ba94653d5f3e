"""Generated tasks: shapes, nano's small closed world, and scenes, the paper-sized set."""
