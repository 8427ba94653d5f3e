"""What a training takes before it is started: memory of a process, hours of a step."""
