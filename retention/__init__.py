"""Data-subject rights: what a controller may ask for about a person, and how it is done and proved.

``rights`` opens requests and runs them; ``export`` and ``erasure`` do the work in numbered, idempotent steps;
``certificates`` says what was done, signed; ``page`` shows an export to the person; ``worker`` runs requests in
the service.
"""
