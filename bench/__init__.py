"""The benchmark: ``python -m bench``. Every figure stands beside its raw floor from the same run.

It measures a real ``lrs serve`` from outside, by a load generator in a process of its own. It changes nothing in
the product and the product must not know it. See docs/benchmarks.md for what each figure means.
"""
