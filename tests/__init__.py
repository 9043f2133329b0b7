"""The tests of the engine, the pages and the catalogue of processes."""
