"""Cold start: few-shot prompting of any vision endpoint, keeping what is worth imitating, and saying why the
rest is not."""
