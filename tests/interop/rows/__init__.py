"""The rows of table.py, by what they are about."""
