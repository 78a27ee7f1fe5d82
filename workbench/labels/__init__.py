"""What people and models said about footage: the database, its files, agreement."""
