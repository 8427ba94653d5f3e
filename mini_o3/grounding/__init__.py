"""Find a named thing in a picture: ranked boxes after several gated looks. Its README has the reading order.

The second system of this project. It shares `vision/` and `kit/` with the searcher and nothing else.
"""
