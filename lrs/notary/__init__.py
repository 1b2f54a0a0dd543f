"""The log of hashes of each tenant: who appends to it and signs its heads, who proves, who verifies.

``notary`` follows the events and signs; ``runner`` keeps it going in the process that leads; ``proofs`` answers
those who ask; ``verifying`` holds the events against what was signed.
"""
