"""The only room with SQL: tables, migrations, the unit of work, one module for each family of tables."""
