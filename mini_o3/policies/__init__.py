"""Who decides: the scripted teacher, a recording, a person, a local checkpoint, any chat endpoint."""
