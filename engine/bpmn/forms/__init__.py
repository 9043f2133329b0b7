"""Forms on the server: read strictly, what was typed checked and kept, what was kept told."""
