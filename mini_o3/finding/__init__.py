"""One search for one thing through many pictures: folders, patterns of names, archives."""
