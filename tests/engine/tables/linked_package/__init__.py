"""A pipeline as labs publish them: three modules whose schemas have no names, and which find each other when activated.

Each module's `activate` has the signature and does what those of the DataJoint Elements do.
"""
