"""The peer, DataJoint-Python, as tests and benchmarks use it: in processes of its own, on the server of the tests."""

from .process import Peer, PeerFailed, PeerWorker

__all__ = ["Peer", "PeerFailed", "PeerWorker"]
