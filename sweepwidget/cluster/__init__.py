"""Agents on somebody else's cluster: their loops run in its workers, this process oversees them through the store.

`agents.py` is the handle, `overseer.py` keeps as many loops at work as are wanted, `crew.py` mirrors what the store tells of
them, `worker.py` is what runs over there. What an engine is stands in backends/engines/.
"""

from .agents import ClusterAgents

__all__ = ["ClusterAgents"]
