"""HTTP to use case and back. No rules of xAPI or of the law live here, except the shapes of what arrives.

``app`` puts it together; ``xapi``, ``documents``, ``described``, ``llm``, ``dsar`` and ``reports`` are the routes;
``negotiating`` knows versions, ``access`` who calls; ``bodies`` and ``parameters`` read what was sent; and in
``problems`` alone errors become answers.
"""
