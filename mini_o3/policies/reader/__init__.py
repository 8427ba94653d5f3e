"""A policy that searches photographs for text: it looks, reads, looks closer where it cannot read, and
answers from what it has read. It needs the extra `reader`, and neither torch nor an endpoint."""
