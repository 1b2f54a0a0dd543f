"""HTTP to use case and back. No rules of xAPI or of the law live here, except the shapes of what arrives.

``app`` puts it together; ``xapi``, ``llm``, ``dsar`` and ``reports`` are the routes; ``access`` knows who calls;
``bodies`` and ``parameters`` read what was sent; ``problems`` is the one place where errors become answers.
"""
