"""Numbers that others have published, with who measured them and how: for reading beside one's own, never as
one's own."""

from mini_o3.benchmarks.published.table import (
    TITLES,
    Published,
    benchmark_of,
    published,
    published_under,
    to_markdown,
)

__all__ = ["TITLES", "Published", "benchmark_of", "published", "published_under", "to_markdown"]
