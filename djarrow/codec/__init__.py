"""What a Python value is in storage: the bytes of a blob, in djarrow's format or DataJoint's. docs/blob-format.md."""
