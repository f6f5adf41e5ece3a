"""One adapter per place that tickets come from: tables (csv, xlsx, jsonl) and service desks over HTTP."""
