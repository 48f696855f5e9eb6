"""The blobs of DataJoint: mYm, which it shares with MATLAB, and dj0, which holds more of Python. Both read and written.

The format is DataJoint's; docs/blob-format.md says what of it is read and written, and as what.
"""
