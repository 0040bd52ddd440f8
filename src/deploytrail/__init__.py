"""The audit trail for deployment automation."""
