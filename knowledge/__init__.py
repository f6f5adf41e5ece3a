"""The knowledge base: resolved tickets, embedded, indexed and searched; embedded on disk or on a Qdrant server."""
