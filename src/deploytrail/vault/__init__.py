"""The vault: what may be erased. Disclosures, the subjects' keys, attachments."""
