"""What a study says, as pages, tables and charts."""
