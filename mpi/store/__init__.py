"""The only room with SQL: tables, migrations, unit of work, one module per table family."""
