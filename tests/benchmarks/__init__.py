"""The whole suite: ``python -m tests.benchmarks``. The measuring itself is in aiotls.bench."""
