"""The requirements of xAPI, one row each, in our own words: see test_requirements.py."""
