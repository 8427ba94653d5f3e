"""Published benchmarks and data sets, and what users have, as search tasks: found by their files, read row by
row."""
