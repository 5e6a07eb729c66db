"""A knowledge graph of the evidence on regenerative medicine for the foot and ankle."""

__version__ = "0.1.0"
