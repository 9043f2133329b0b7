"""The database of a county and its files; no process engine here."""
