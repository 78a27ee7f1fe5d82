"""What people and models said about footage: the database, its files, agreement."""

DATABASE_VARIABLE = "WORKBENCH_DB"  # of the environment: path or address of the label database
